"""Judge a run folder again and write its report anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_verdict, is_gate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/mini")
    add_verdict(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code of the verdict."""
    from suite.report.collect import report

    return report(
        options.run,
        strict=options.strict,
        allow_inconclusive=options.allow_inconclusive,
        claims_gate=is_gate(options.claims),
    )
