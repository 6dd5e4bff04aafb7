"""Measure the mini profile over several seeds and write expected/mini."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_reason, add_request, asked_reason, to_request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and why it is to be the new reference."""
    add_request(parser)
    add_reason(parser)


def run(options: argparse.Namespace) -> int:
    """Returns 0 once every reference is written."""
    from suite.reproduction.record import check_request, record

    request = to_request(options, seeds="0,1,2,3,4", run=Path("runs/record"))
    check_request(request)
    return record(request, reason=asked_reason("record", options.reason), workers=options.workers)
