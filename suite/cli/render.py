"""Draw the mini study's datasets in their native formats."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_workers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and how many at a time."""
    parser.add_argument("--data", type=Path, default=Path("data/mini"), help="where to (default: data/mini)")
    add_workers(parser)


def run(options: argparse.Namespace) -> int:
    """Returns 0."""
    from suite.mini.render import render

    render(options.data, workers=options.workers)
    return 0
