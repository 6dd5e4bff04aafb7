"""Needs of a run before it starts: what is there, what is missing, and what each missing piece keeps from running."""
