"""Freeze what an encoder under test measured: later runs of it are held against these values."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.verbs.options import add_reason, asked_reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and whether to write."""
    parser.add_argument("run", type=Path, help="the folder of a finished run, e.g. runs/check-my_encoder-build")
    parser.add_argument("--name", help="of the file expected/encoders/NAME.toml (default: its name in cells)")
    add_reason(parser)
    parser.add_argument("--diff", action="store_true", help="say what would change, and change nothing")


def run(options: argparse.Namespace) -> int:
    """Returns 0; with --diff 1 if anything would change."""
    from suite.assemble import read_run
    from suite.newcomer.accept import accept

    read_run(options.run)

    reason = "" if options.diff else asked_reason("accept", options.reason)
    return accept(options.run, reason=reason, name=options.name, diff=options.diff)
