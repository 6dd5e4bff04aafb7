"""The second gate: no change against our own accepted run of a device, whatever the paper's tolerance allows.

The first gate asks whether a run agrees with the paper, or with what the mini study recorded; its tolerances hold the
noise of seeds and of machines. A change of ours may hide in them for years. So a run can be accepted, `make accept`,
and from then on every run on such a device is held against it closely. Both gates are kept apart in a report: each has
its column, its words and its reason for exit code 1.
"""
