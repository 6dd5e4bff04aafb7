"""Verbs that run the experiments."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_reason, add_request, execution, require_reason, to_request
from suite.cli.runtime import add_runtime, elsewhere
from suite.cli.verb import Verb
from suite.core.values import reader
from suite.run.shards import shard


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what is asked for, and where it runs."""
    add_request(parser)
    parser.add_argument(
        "--join",
        action="store_true",
        help="work in the run folder beside other runs of the same request, each started with --join",
    )
    parser.add_argument(
        "--shard",
        type=reader(shard, "--shard"),
        metavar="K/N",
        help="measure the K-th of N parts only, into a run folder that all parts share; report RUN judges the whole",
    )
    add_runtime(parser)


def run_reproduce(options: argparse.Namespace) -> int:
    """Run the experiments, judge every cell, write the report.

    With `--shard K/N` a part of the trials is measured and nothing is judged. Exit code 0: each of them has a result,
    2: one has none, 3: a wrong request, 130 and 143: stopped by a signal; the same command goes on.
    """
    code = elsewhere(options, "reproduce")
    if code is not None:
        return code
    request, execute = to_request(options), execution(options)
    if execute.shard is not None:
        from suite.reproduction.shard import reproduce_shard

        return reproduce_shard(request, execute.shard, execute)
    from suite.reproduction.reproduce import reproduce

    return reproduce(request, execute)


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
