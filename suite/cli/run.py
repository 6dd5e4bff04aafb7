"""Verbs that run the experiments."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_reason, add_request, execution, require_reason, to_request
from suite.cli.runtime import add_runtime, elsewhere
from suite.cli.verb import Verb


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what is asked for, and where it runs."""
    add_request(parser)
    parser.add_argument(
        "--join",
        action="store_true",
        help="work in the run folder beside other runs of the same request, each started with --join",
    )
    add_runtime(parser)


def run_reproduce(options: argparse.Namespace) -> int:
    """Run the experiments, judge every cell, write the report."""
    code = elsewhere(options, "reproduce")
    if code is not None:
        return code
    from suite.reproduction.reproduce import reproduce

    return reproduce(to_request(options), execution(options))


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what is measured, and why it is to be the new reference."""
    add_request(parser)
    add_reason(parser)


def run_record(options: argparse.Namespace) -> int:
    """Measure the mini profile over several seeds and write expected/mini."""
    from suite.reproduction.record import check_request, record

    request = to_request(options, seeds="0,1,2,3,4", run=Path("runs/record"))
    check_request(request)
    return record(request, reason=require_reason("record", options.reason), execution=execution(options))


VERBS = (
    Verb("reproduce", add_reproduce, run_reproduce),
    Verb("record", add_record, run_record),
)
