"""Train the mini study's encoders again."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.run.request import DEVICES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which methods, where, and where to."""
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="default: all seven")
    parser.add_argument("--device", default="auto", help=f"one of {', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--out", type=Path, default=Path("suite/mini/weights"), help="default: suite/mini/weights")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache/mini_pretrain"), help="images and checkpoints of unfinished runs"
    )
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Returns 0."""
    from suite.mini.pretrain import pretrain

    pretrain(options.methods, device=options.device, out=options.out, cache=options.cache, seed=options.seed)
    return 0
