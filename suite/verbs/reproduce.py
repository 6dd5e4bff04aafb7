"""Run the experiments, judge every cell, write the report."""

from __future__ import annotations

import argparse

from suite.verbs.options import add_request as add_arguments
from suite.verbs.options import to_request

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Returns the exit code of the verdict."""
    from suite.reproduce import reproduce

    return reproduce(to_request(options), workers=options.workers)
