"""Verbs that bring the official files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suite.cli.verb import Verb
from suite.core.values import count, names, path, reader
from suite.errors import DatasetError
from suite.preparation import PREPARED, require_prepared
from suite.protocol.profiles import load_profile


def add_fetch(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: weights or data, which, and where to."""
    kinds = parser.add_subparsers(title="what", metavar="weights|data", dest="what", required=True)
    weights = kinds.add_parser("weights", help="the official checkpoints", description="Fetch official checkpoints.")
    weights.add_argument("names", nargs="*", metavar="METHOD", help="default: the seven of the paper")
    weights.add_argument(
        "--weights", type=reader(path, "--weights"), default=Path("weights"), help="where to (default: weights)"
    )
    weights.add_argument(
        "--all-files", action="store_true", help="every file of a release, not only the one the experiments use"
    )
    weights.add_argument(
        "--file", action="append", default=[], metavar="NAME", help="this file of a release instead (see --list)"
    )
    data = kinds.add_parser("data", help="the datasets", description="Fetch and unpack datasets.")
    data.add_argument("names", nargs="*", metavar="NAME", help="default: all that the paper needs")
    data.add_argument("--data", type=reader(path, "--data"), help="where to (default: the paper profile's, data)")
    data.add_argument("--keep-archives", action="store_true", help="keep what was unpacked, in <data>/archives")
    for kind in (weights, data):
        kind.add_argument("--list", action="store_true", help="print the catalogue and fetch nothing")


def run_fetch(options: argparse.Namespace) -> int:
    """Download the official weights and data, check them, and say what has to be fetched by hand."""
    chosen_names = names("METHOD" if options.what == "weights" else "NAME", options.names)
    if options.what == "weights":
        files = names("--file", options.file)
        from suite.fetch.weights import fetch as fetch_weights
        from suite.fetch.weights import table as weights_table

        if options.list:
            print(weights_table(chosen_names))
            return 0
        return fetch_weights(chosen_names, options.weights, all_files=options.all_files, files=files)
    from suite.fetch.data import fetch as fetch_data
    from suite.fetch.data import table as data_table
    from suite.protocol.profiles import load_profile

    if options.list:
        print(data_table(chosen_names))
        return 0
    return fetch_data(chosen_names, options.data or load_profile("paper").data, keep_archives=options.keep_archives)


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which sets, where from and where to."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help=f"{', '.join(PREPARED)}; docs/how-to/preparing.md tells what each needs",
    )
    parser.add_argument("--data", type=reader(path, "--data"), help="data folder (default: the paper profile's)")
    parser.add_argument(
        "--originals",
        type=reader(path, "--originals"),
        help="folder of the original releases (default: DATA/originals)",
    )
    parser.add_argument("--workers", type=reader(count, "--workers"), help="processes (default: one a core)")


def run_prepare(options: argparse.Namespace) -> int:
    """Make the processed segmentation sets from the original releases."""
    from suite.preparation.runner import prepare

    chosen_names = [require_prepared(name) for name in names("NAME", options.names)]
    data, code = options.data or load_profile("paper").data, 0
    for name in chosen_names:
        try:
            preparation = prepare(name, data=data, originals=options.originals, workers=options.workers)
        except DatasetError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            code = error.exit_code
            continue
        counts = ", ".join(f"{count:,} {split}" for split, count in preparation.manifest["counts"].items())
        print(f"{name}: {'made' if preparation.is_new else 'already there'}: {counts} images in {preparation.root}")
        for warning in preparation.manifest["warnings"]:
            print(f"warning: {name}: {warning}", file=sys.stderr)
    return code


VERBS = (
    Verb("fetch", add_fetch, run_fetch),
    Verb("prepare", add_prepare, run_prepare),
)
