"""Download the official weights and data, check them, and say what has to be fetched by hand."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Weights or data, which, and where to."""
    kinds = parser.add_subparsers(title="what", metavar="weights|data", dest="what", required=True)
    weights = kinds.add_parser("weights", help="the official checkpoints", description="Fetch official checkpoints.")
    weights.add_argument("names", nargs="*", metavar="METHOD", help="default: the seven of the paper")
    weights.add_argument("--weights", type=Path, default=Path("weights"), help="where to (default: weights)")
    weights.add_argument(
        "--all-files", action="store_true", help="every file of a release, not only the one the experiments use"
    )
    weights.add_argument(
        "--file", action="append", default=[], metavar="NAME", help="this file of a release instead (see --list)"
    )
    data = kinds.add_parser("data", help="the datasets", description="Fetch and unpack datasets.")
    data.add_argument("names", nargs="*", metavar="NAME", help="default: all that the paper needs")
    data.add_argument("--data", type=Path, help="where to (default: the paper profile's, data)")
    data.add_argument("--keep-archives", action="store_true", help="keep what was unpacked, in <data>/archives")
    for kind in (weights, data):
        kind.add_argument("--list", action="store_true", help="print the catalogue and fetch nothing")


def run(options: argparse.Namespace) -> int:
    """Returns 0 if everything asked for is in place, 2 if something has to be fetched by hand or failed."""
    from suite.core.text import words

    names = words(options.names)
    if options.what == "weights":
        from suite.fetch.weights import fetch as fetch_weights
        from suite.fetch.weights import table as weights_table

        if options.list:
            print(weights_table(names))
            return 0
        return fetch_weights(names, options.weights, all_files=options.all_files, files=words(options.file))
    from suite.fetch.data import fetch as fetch_data
    from suite.fetch.data import table as data_table
    from suite.protocol.profiles import load_profile

    if options.list:
        print(data_table(names))
        return 0
    return fetch_data(names, options.data or load_profile("paper").data, keep_archives=options.keep_archives)
