"""Pack a run, what it was made from and how, into one zip that others can read and check: an RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and who gives it to whom."""
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/mini")
    parser.add_argument("-o", "--out", type=Path, help="the archive (default: RUN.crate.zip beside the folder)")
    parser.add_argument("--license", dest="licence", default=LICENCE, metavar="URL", help=f"default: {LICENCE}")
    parser.add_argument("--author", help="who publishes it (default: nobody is named)")


def run(options: argparse.Namespace) -> int:
    """Returns 0."""
    from suite.archive.write import archive

    out = options.out or options.run.with_name(f"{options.run.resolve().name}.crate.zip")
    count = archive(options.run, out, licence=options.licence, author=options.author)
    print(f"{out}: {count} files; unpacked, python -m suite verify checks it")
    return 0
