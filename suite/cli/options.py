"""Options that several verbs share: what is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from suite.core.values import count, reader
from suite.errors import RequestError
from suite.run.execution import Execution
from suite.run.options import OPTIONS, VERDICT, request_arguments

if TYPE_CHECKING:
    from suite.run.request import Request


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which experiments, encoders and datasets, how, and where to."""
    for option in OPTIONS:
        parser.add_argument(option.flag, **option.settings(reads=True))
    add_workers(parser)
    parser.add_argument(
        "--max-crashes",
        type=reader(count, "--max-crashes"),
        metavar="N",
        help="start no more trials when N processes have died (default: go on)",
    )


def execution(options: argparse.Namespace) -> Execution:
    """Return how the run is carried out."""
    return Execution(
        options.workers,
        options.max_crashes,
        join=getattr(options, "join", False),
        shard=getattr(options, "shard", None),
    )


def add_verdict(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a verdict becomes an exit code."""
    for option in VERDICT:
        parser.add_argument(option.flag, **option.settings())


def verdict(options: argparse.Namespace) -> dict[str, bool]:
    """Return how a verdict becomes an exit code, as `suite.report.collect.assemble` takes it."""
    return {option.field: option.value(getattr(options, option.attribute)) for option in VERDICT}


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Add `--reason`."""
    parser.add_argument("--reason", metavar="TEXT", help="why these values are to be the new ones; kept with them")


def require_reason(verb: str, reason: str | None) -> str:
    """Return the reason that the user gave, in one line.

    Raises:
        RequestError: none was given.
    """
    line = " ".join((reason or "").split())
    if not line:
        raise RequestError(
            f"{verb}: expected a reason, got none: pass REASON='why these values are to be the new ones'"
        )
    return line


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers", type=reader(count, "--workers"), help="processes (default: one per core on the CPU, one on a GPU)"
    )


def to_request(options: argparse.Namespace, *, seeds: str = "0", run: Path | None = None, here: bool = True) -> Request:
    """Validate what was asked for.

    Args:
        options: as `add_request` defines them.
        seeds: where the user names none.
        run: the run folder, where the user names none.
        here: it is carried out on this machine; False asks for no GPU of it.

    Raises:
        RequestError: something that was asked for does not exist.
    """
    from suite.run.request import make_request

    arguments = request_arguments(lambda option: getattr(options, option.attribute), seed=seeds, run=run)
    return make_request(**arguments, here=here)
