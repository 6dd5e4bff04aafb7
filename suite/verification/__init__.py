"""Checks that what an experiment would use is what it should be; they find every problem at once.

`data` verifies datasets; `outcome` holds what any check found, for the terminal, for pytest (`checks/`) and for the
report. Nothing here measures an encoder.
"""
