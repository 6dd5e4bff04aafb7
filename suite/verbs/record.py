"""Measure the mini profile over several seeds and write expected/mini."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.verbs.options import add_request as add_arguments
from suite.verbs.options import to_request

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Returns 0 once every reference is written."""
    from suite.record import record

    return record(to_request(options, seeds="0,1,2,3,4", run=Path("runs/record")), workers=options.workers)
