"""Make the processed segmentation sets from the original releases."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suite.core.text import words
from suite.errors import DatasetError
from suite.preparation import PREPARED, require_prepared
from suite.protocol.profiles import load_profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sets, where from and where to."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help=f"{', '.join(PREPARED)}; docs/preparing.md tells what each needs"
    )
    parser.add_argument("--data", type=Path, help="data folder (default: the paper profile's)")
    parser.add_argument("--originals", type=Path, help="folder of the original releases (default: DATA/originals)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")


def run(options: argparse.Namespace) -> int:
    """Returns 0 once every set is there, 2 where originals are missing or damaged."""
    from suite.preparation.runner import prepare

    names = [require_prepared(name) for name in words(options.names)]
    data, code = options.data or load_profile("paper").data, 0
    for name in names:
        try:
            done = prepare(name, data=data, originals=options.originals, workers=options.workers)
        except DatasetError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            code = error.exit_code
            continue
        counts = ", ".join(f"{count:,} {split}" for split, count in done.manifest["counts"].items())
        print(f"{name}: {'made' if done.made else 'already there'}: {counts} images in {done.root}")
        for warning in done.manifest["warnings"]:
            print(f"warning: {name}: {warning}", file=sys.stderr)
    return code
