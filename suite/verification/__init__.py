"""Is what an experiment would use what it should be? Checks that find every problem at once.

`data` verifies datasets; `outcome` holds what any check found, for the terminal, for pytest (`checks/`) and for the
report. Nothing here measures an encoder.
"""
