"""Run the experiments, judge every cell, write the report."""

from __future__ import annotations

import argparse

from suite.cli.options import add_request, to_request
from suite.cli.runtime import add_runtime, elsewhere


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked for, and where it runs."""
    add_request(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code of the verdict."""
    code = elsewhere(options, "reproduce")
    if code is not None:
        return code
    from suite.reproduction.reproduce import reproduce

    return reproduce(to_request(options), workers=options.workers)
