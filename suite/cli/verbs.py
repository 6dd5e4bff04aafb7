"""The verbs of `python -m suite`, one module each.

A verb's module has a docstring, whose first line is its help, `add_arguments(parser)` and `run(options)`, which returns
the exit code. It imports the part that does the work only when run, so that `--help` is quick.
"""

VERBS = (
    "reproduce",
    "check",
    "accept",
    "record",
    "report",
    "compare",
    "render",
    "pretrain",
    "image",
    "fetch",
    "prepare",
    "verify",
    "archive",
    "plan",
)
"""Their names, in the order of `--help`."""
