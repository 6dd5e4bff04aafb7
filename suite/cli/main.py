"""`python -m suite <verb>`: finds the verb, and turns its errors into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from suite.cli import data, encoder, image, mini, plan, report
from suite.cli import run as running
from suite.core.signals import INTERRUPTED, TERMINATED, graceful_termination, terminated
from suite.errors import RequestError, SuiteError

VERBS = (*running.VERBS, *encoder.VERBS, *report.VERBS, *plan.VERBS, *data.VERBS, *image.VERBS, *mini.VERBS)
"""Verbs in the order of `--help`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 every cell asked for is reproduced, or deviates no more than the family's test allows; 1 something deviates;
        2 something asked for did not run, or cannot be told; 3 the request was wrong; 130 interrupted (Ctrl-C); 143
        terminated (SIGTERM).
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run_verb"):
        parser.print_help()
        return RequestError.exit_code
    run: Callable[[argparse.Namespace], int] = options.run_verb
    try:
        with graceful_termination():
            return run(options)
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted: what had finished is kept; run the same command again to go on", file=sys.stderr)
        return TERMINATED if terminated() else INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Parser to which a wrong command line is a wrong request: one line, exit code 3."""

    def error(self, message: str) -> NoReturn:
        """Print and leave."""
        print(f"error: {message}; see python -m suite --help", file=sys.stderr)
        raise SystemExit(RequestError.exit_code)


def _parser() -> argparse.ArgumentParser:
    suite = _Parser(prog="python -m suite", description=__doc__)
    verbs = suite.add_subparsers(title="verbs", metavar="VERB")
    for verb in VERBS:
        summary, _, _ = verb.description.partition("\n")
        parser = verbs.add_parser(verb.name, help=summary, description=verb.description)
        parser.set_defaults(run_verb=verb.run)
        verb.add_arguments(parser)
    return suite
