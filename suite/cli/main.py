"""`python -m suite <verb>`: finds the verb, and turns its errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from suite.cli.verbs import VERBS
from suite.core.signals import INTERRUPTED, TERMINATED, graceful_termination, terminated
from suite.errors import RequestError, SuiteError


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
    """A wrong command line is a wrong request: one line, exit code 3."""

    def error(self, message: str) -> NoReturn:
        """Print and leave."""
        print(f"error: {message}; see python -m suite --help", file=sys.stderr)
        raise SystemExit(RequestError.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m suite", description=__doc__)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name in VERBS:
        module = importlib.import_module(f"suite.cli.{name}")
        summary, _, _ = (module.__doc__ or "").partition("\n")
        verb = verbs.add_parser(name, help=summary, description=module.__doc__)
        verb.set_defaults(run_verb=module.run)
        module.add_arguments(verb)
    return parser
