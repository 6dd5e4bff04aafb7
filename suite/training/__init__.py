"""Training of heads, the same for all: loop, learner, schedules, checkpoints, several processes, progress."""
