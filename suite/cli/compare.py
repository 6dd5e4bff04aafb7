"""Print what changed between two runs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two runs."""
    parser.add_argument("a", type=Path, help="a run folder")
    parser.add_argument("b", type=Path, help="another run folder")


def run(options: argparse.Namespace) -> int:
    """Returns 0 if nothing that matters changed."""
    from suite.report.compare import compare_runs

    text, code = compare_runs(options.a, options.b)
    print(text)
    return code
