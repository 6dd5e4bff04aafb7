"""Freeze what a run measured: later runs of the same encoder, or on the same device, are held against these values.

A run with an encoder under test (`make check`) freezes that encoder's values, `expected/encoders/NAME.toml`. Any other
freezes all of its own as those of its CPU or GPU model, `expected/accepted/PROFILE/DEVICE.toml` (docs/two_gates.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cells import BASELINES, METHODS, method_name
from suite.cli.options import add_reason, asked_reason
from suite.errors import RequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, why it is accepted, and whether to write."""
    parser.add_argument(
        "run", type=Path, help="the folder of a finished run, e.g. runs/mini, runs/check-my_encoder-build"
    )
    parser.add_argument("--name", help="of the file expected/encoders/NAME.toml (default: the encoder's name in cells)")
    add_reason(parser)
    parser.add_argument("--diff", action="store_true", help="say what would change, and change nothing")


def run(options: argparse.Namespace) -> int:
    """Returns 0; with --diff 1 if anything would change."""
    from suite.candidate.accept import accept
    from suite.report.collect import read_run
    from suite.reproduction.accept import accept_run

    encoders = read_run(options.run)["asked"]["encoders"]
    reason = "" if options.diff else asked_reason("accept", options.reason)
    if any(method_name(spec) not in (*METHODS, *BASELINES) for spec in encoders):
        return accept(options.run, reason=reason, name=options.name, diff=options.diff)
    if options.name:
        raise RequestError(f"--name {options.name}: a run without an encoder under test is named after its device")
    return accept_run(options.run, reason=reason, diff=options.diff)
