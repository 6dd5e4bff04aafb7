"""Runs handed to a scheduler: shards of a request as Slurm's array or Kubernetes' Indexed Job, then the report."""
