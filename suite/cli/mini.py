"""Verbs of the embedded mini study."""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cli.options import add_workers
from suite.cli.verb import Verb
from suite.core.paths import MINI_WEIGHTS
from suite.core.values import names, path, reader, seed
from suite.run.options import DEVICES


def add_render(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: where to, and how many at a time."""
    parser.add_argument(
        "--data", type=reader(path, "--data"), default=Path("data/mini"), help="where to (default: data/mini)"
    )
    add_workers(parser)


def run_render(options: argparse.Namespace) -> int:
    """Draw the mini study's datasets in their native formats."""
    from suite.mini.render import render

    render(options.data, workers=options.workers)
    return 0


def add_pretrain(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which methods, where, and where to."""
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="default: all seven")
    parser.add_argument("--device", default="auto", help=f"one of {', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--out", type=reader(path, "--out"), default=MINI_WEIGHTS, help="default: suite/mini/weights")
    parser.add_argument(
        "--cache",
        type=reader(path, "--cache"),
        default=Path("cache/mini_pretrain"),
        help="images and checkpoints of unfinished runs",
    )
    parser.add_argument("--seed", type=reader(seed, "--seed"), default=0)


def run_pretrain(options: argparse.Namespace) -> int:
    """Train the mini study's encoders again."""
    from suite.mini.pretrain import pretrain

    methods = names("METHOD", options.methods)
    pretrain(methods, device=options.device, out=options.out, cache=options.cache, seed=options.seed)
    return 0


VERBS = (
    Verb("render", add_render, run_render),
    Verb("pretrain", add_pretrain, run_pretrain),
)
