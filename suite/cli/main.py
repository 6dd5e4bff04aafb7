"""`python -m suite <verb>`: finds the verb, and turns its errors into one line and an exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from suite.cli import data, encoder, gpu, image, launch, mini, plan, report, triage
from suite.cli import run as running
from suite.core.faults import description, report_error
from suite.core.signals import graceful_termination
from suite.errors import RequestError

VERBS = (
    *(*running.VERBS, *launch.VERBS, *encoder.VERBS, *report.VERBS, *triage.VERBS, *plan.VERBS),
    *(*data.VERBS, *image.VERBS, *gpu.VERBS, *mini.VERBS),
)
"""Verbs in the order of `--help`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 every cell asked for is reproduced, or deviates no more than the family's test allows; 1 something deviates;
        2 something asked for did not run, or cannot be told; 3 the request was wrong; 4 a fault of the suite; 130
        interrupted (Ctrl-C); 143 terminated (SIGTERM).

    Raises:
        SystemExit: of argparse, after `--help` or on a wrong command line; no verb leaves in this way.
    """
    try:
        with graceful_termination():
            parser = _parser()
            options = parser.parse_args(arguments)
            if not hasattr(options, "run_verb"):
                parser.print_help()
                return RequestError.exit_code
            return _run(options)
    except SystemExit:
        raise
    except BaseException as error:
        return report_error(error)


def _run(options: argparse.Namespace) -> int:
    """Run the verb that was asked for; a library that would end the process on its own is at fault."""
    run: Callable[[argparse.Namespace], int] = options.run_verb
    try:
        return run(options)
    except SystemExit as error:
        raise RuntimeError(f"something that the verb called asked to leave: {description(error)}") from error


class _Parser(argparse.ArgumentParser):
    """Parser to which a wrong command line is a wrong request: one line, exit code 3."""

    def error(self, message: str) -> NoReturn:
        """Print and leave."""
        raise SystemExit(report_error(RequestError(f"{message}; see python -m suite --help")))


def _parser() -> argparse.ArgumentParser:
    suite = _Parser(prog="python -m suite", description=__doc__)
    verbs = suite.add_subparsers(title="verbs", metavar="VERB")
    for verb in VERBS:
        summary, _, _ = verb.description.partition("\n")
        parser = verbs.add_parser(verb.name, help=summary, description=verb.description)
        parser.set_defaults(run_verb=verb.run)
        verb.add_arguments(parser)
    return suite
