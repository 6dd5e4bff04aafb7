"""The one way that heads are trained: loop, learner, schedules, checkpoints, several processes, progress."""
