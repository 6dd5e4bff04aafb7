"""What a run needs before it starts: what is there, what is missing, and what each missing piece keeps from running."""
