"""The verb that asks why numbers differ."""

from __future__ import annotations

import argparse

from suite.cli.options import add_workers
from suite.cli.verb import Verb
from suite.core.values import names, path, reader, seconds, specs
from suite.run.arguments import TRIAGE
from suite.run.execution import Execution
from suite.run.shards import shard


def add_triage(parser: argparse.ArgumentParser) -> None:
    """Add the run, and what is asked of it."""
    parser.add_argument("run", type=reader(path, "RUN"), help="a run folder, e.g. runs/mini")
    parser.add_argument(
        "--cell",
        action="append",
        default=[],
        metavar="ID[,ID...]",
        help=TRIAGE["--cell"].help,
    )
    parser.add_argument("--against", type=reader(path, "--against"), metavar="RUN", help=TRIAGE["--against"].help)
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="SPEC[,SPEC...]",
        help=TRIAGE["--checkpoint"].help,
    )
    parser.add_argument("--budget", type=reader(seconds, "--budget"), metavar="DURATION", help=TRIAGE["--budget"].help)
    parser.add_argument("--shard", type=reader(shard, "--shard"), metavar="K/N", help=TRIAGE["--shard"].help)
    add_workers(parser)


def run_triage(options: argparse.Namespace) -> int:
    """Try what may explain the cells of a run that differ: named variants, then usual mistakes, the cheapest first.

    Writes triage.json, and a section of the run's report; its verdict stays. The same command goes on where an earlier
    one ended. Exit code 0: all was tried, whatever explains it; 2: something was not, or has no result.
    """
    from suite.triage.triage import Question, triage

    question = Question(
        names("--cell", options.cell), options.against, specs("--checkpoint", options.checkpoint), options.budget
    )
    return triage(options.run, question, Execution(options.workers, shard=options.shard))


VERBS = (Verb("triage", add_triage, run_triage),)
