"""Put a new encoder through the experiments, beside the seven.

First it climbs the conformance ladder, which takes seconds: what fails there would fail, or mislead, after hours. Then
the experiments run, and the report says where it stands among the seven.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from suite.cells import method_name
from suite.cli.options import add_request, to_request
from suite.core.text import words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The encoder, and what is asked for; `--encoder` names those it is measured beside."""
    parser.add_argument("spec", help="timm:NAME, timm:NAME@FILE, METHOD@FILE or package.module:factory")
    parser.add_argument(
        "--alone", action="store_true", help="measure no other encoder: recorded or published values stand beside it"
    )
    add_request(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code of the verdict; 3 if the encoder fails on the ladder."""
    from suite.candidate.check import beside_whom, check

    others = beside_whom(words(options.encoder), profile=options.profile, alone=options.alone)
    options.encoder = [options.spec, *others]
    request = to_request(options, run=Path("runs") / f"check-{method_name(options.spec)}")
    return check(options.spec, request, workers=options.workers)
