"""Run while it lasts: what is asked for, which trials go together, attempts, progress, GPUs."""
