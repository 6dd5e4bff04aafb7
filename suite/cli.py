"""`python -m suite <verb>`: one function per verb, each a few lines over the part that does the work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from suite.errors import RequestError, SuiteError
from suite.protocol import PROFILES, load_variants
from suite.request import DEVICES, Request, make_request

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 nothing deviates and everything asked for ran; 1 something deviates; 2 something asked for did not
        run; 3 the request was wrong; 130 interrupted.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "verb"):
        parser.print_help()
        return RequestError.exit_code
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted: what had finished is kept; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED


def reproduce(options: argparse.Namespace) -> int:
    """Run the experiments, judge every cell, write the report."""
    from suite.reproduce import reproduce as run

    return run(_request(options), workers=options.workers)


def record(options: argparse.Namespace) -> int:
    """Measure the mini profile over several seeds and write expected/mini."""
    from suite.record import record as run

    return run(_request(options), workers=options.workers)


def report(options: argparse.Namespace) -> int:
    """Judge a run folder again and write its report anew."""
    from suite.assemble import report as run

    return run(options.run, strict=options.strict)


def compare(options: argparse.Namespace) -> int:
    """Print what changed between two runs."""
    from suite.report.compare import compare_runs

    text, code = compare_runs(options.a, options.b)
    print(text)
    return code


def render(options: argparse.Namespace) -> int:
    """Draw the mini study's datasets in their native formats."""
    from suite.mini.render import render as run

    run(options.data, workers=options.workers)
    return 0


def pretrain(options: argparse.Namespace) -> int:
    """Train the mini study's encoders again."""
    from suite.mini.pretrain import pretrain as run

    run(options.methods, device=options.device, out=options.out, cache=options.cache, seed=options.seed)
    return 0


class _Parser(argparse.ArgumentParser):
    """A wrong command line is a wrong request: one line, exit code 3."""

    def error(self, message: str) -> NoReturn:
        """Print and leave."""
        print(f"error: {message}; see python -m suite --help", file=sys.stderr)
        raise SystemExit(RequestError.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m suite", description=__doc__)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for function, add in (
        (reproduce, _add_request),
        (record, _add_request),
        (report, _add_report),
        (compare, _add_compare),
        (render, _add_render),
        (pretrain, _add_pretrain),
    ):
        verb = verbs.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        verb.set_defaults(verb=function)
        add(verb)
    return parser


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="mini", help=f"one of {', '.join(PROFILES)} (default: mini)")
    parser.add_argument("--encoder", action="append", default=[], metavar="SPEC", help="comma-separated; default: all")
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="comma-separated; default: all")
    parser.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="comma-separated; default: all"
    )
    names = "; ".join(f"{v.name}={'|'.join(v.choices)}" for v in load_variants().values())
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=CHOICE", help=f"{names} (default: first)"
    )
    parser.add_argument(
        "--seed", default=None, metavar="N[,N...]", help="seeds of the probes (default: 0; record: 0,1,2,3,4)"
    )
    parser.add_argument("--device", default="auto", help=f"one of {', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--data", type=Path, help="folder of the datasets (default: the profile's)")
    parser.add_argument("--weights", type=Path, help="folder of the checkpoints (default: the profile's)")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for features (default: cache)")
    parser.add_argument("--run", type=Path, help="folder of the run (default: runs/<profile>)")
    parser.add_argument("--limit", type=int, help="at most this many views of each split: a smoke run, not judged")
    parser.add_argument("--strict", action="store_true", help="fail on any single deviation, uncorrected")
    parser.add_argument("--workers", type=int, help="processes (default: one per core on the CPU, one on a GPU)")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/mini")
    parser.add_argument("--strict", action="store_true", help="fail on any single deviation, uncorrected")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, help="a run folder")
    parser.add_argument("b", type=Path, help="another run folder")


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("data/mini"), help="where to (default: data/mini)")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")


def _add_pretrain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="default: all seven")
    parser.add_argument("--device", default="auto", help=f"one of {', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--out", type=Path, default=Path("suite/mini/weights"), help="default: suite/mini/weights")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache/mini_pretrain"), help="images and checkpoints of unfinished runs"
    )
    parser.add_argument("--seed", type=int, default=0)


def _request(options: argparse.Namespace) -> Request:
    recording = options.verb is record
    default_seeds = "0,1,2,3,4" if recording else "0"
    return make_request(
        profile=options.profile,
        encoders=words(options.encoder),
        datasets=words(options.dataset),
        experiments=words(options.experiment),
        variants=words(options.variant),
        seeds=integers(options.seed if options.seed is not None else default_seeds),
        device=options.device,
        data=options.data,
        weights=options.weights,
        cache=options.cache,
        run=options.run or (Path("runs/record") if recording else None),
        limit=options.limit,
        strict=options.strict,
    )


def words(texts: Sequence[str]) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def integers(text: str) -> list[int]:
    """`"0,1,2"` -> `[0, 1, 2]`.

    Raises:
        RequestError: something in it is not an integer.
    """
    try:
        return [int(word) for word in words([text])]
    except ValueError as error:
        raise RequestError(f"seed {text!r}: expected integers, e.g. SEED=0 or SEED=0,1,2") from error
