"""Every attempt of a run, in `attempts.jsonl` of its folder: a line when it begins, a line when it ends.

Lines are only ever appended, each in one write that is flushed to disk: an attempt that was killed at any moment leaves
at least its beginning, and one that failed is not undone by the next that succeeds. Judging a run again is no attempt:
it measures nothing, and a report is a function of the run folder, this file included.
"""
