"""Verbs for a candidate, and for freezing what a run measured."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from suite.cells import BASELINES, METHODS, method_name
from suite.cli.options import add_reason, add_request, execution, require_reason, to_request
from suite.cli.runtime import add_runtime, elsewhere
from suite.cli.verb import Verb
from suite.core.values import line, path, points, reader, spec, specs
from suite.errors import RequestError
from suite.specs import parse


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the encoder, and what is asked for; `--encoder` names those it is measured beside."""
    parser.add_argument(
        "spec", type=reader(spec, "ENCODER"), help="timm:NAME, timm:NAME@FILE, METHOD@FILE or package.module:factory"
    )
    parser.add_argument(
        "--alone", action="store_true", help="measure no other encoder: recorded or published values stand beside it"
    )
    parser.add_argument(
        "--no-worse-than", metavar="METHOD", help="fail where it is surely worse than this one, measured beside it"
    )
    parser.add_argument(
        "--by", type=reader(points, "--by"), metavar="POINTS", help="that it may be worse, per cent (default: 0)"
    )
    parser.add_argument(
        "--conformance-only",
        action="store_true",
        help="only the conformance checks: nothing is measured or written",
    )
    add_request(parser)
    add_runtime(parser)


def run_check(options: argparse.Namespace) -> int:
    """Put a new encoder through the experiments, beside the seven.

    First come the conformance checks, which take seconds: what fails there would fail, or mislead, after hours.
    Then the experiments run, and the report says where it stands among the seven.
    """
    _check_runtime(options)
    code = elsewhere(options, "check", positional=["spec"])
    if code is not None:
        return code
    from suite.candidate.check import check, check_conformance, companions

    methods = companions(specs("--encoder", options.encoder), profile=options.profile, alone=options.alone)
    options.encoder = [options.spec, *methods]
    request = to_request(options, run=Path("runs") / f"check-{method_name(options.spec)}")
    if options.conformance_only:
        return check_conformance(options.spec, request)
    return check(options.spec, request, execution(options), bound=_bound(options, request.names))


def _bound(options: argparse.Namespace, names: Mapping[str, str]) -> tuple[str, float] | None:
    """Return the reference of the one-sided gate and its margin.

    Raises:
        RequestError: a margin without a reference, or a reference that is not measured beside the candidate.
    """
    if options.no_worse_than is None:
        if options.by is not None:
            raise RequestError(f"--by {options.by:g}: expected --no-worse-than METHOD beside it")
        return None
    rivals = [name for spec, name in names.items() if spec != options.spec and name in (*METHODS, *BASELINES)]
    if options.no_worse_than not in rivals:
        raise RequestError(
            f"--no-worse-than {options.no_worse_than}: expected one that is measured beside it "
            f"({', '.join(rivals) or 'none is'}): add it with BESIDE={options.no_worse_than}"
        )
    return options.no_worse_than, options.by or 0.0


def _check_runtime(options: argparse.Namespace) -> None:
    """Refuse an encoder that is still to be downloaded: the container has no network, so it runs outside.

    Raises:
        RequestError: it was to run in the container.
    """
    if not options.spec.startswith("timm:") or parse(options.spec).file:
        return
    if options.runtime == "container":
        raise RequestError(
            f"check {options.spec}: the container has no network to download its weights: "
            f"pass {options.spec}@FILE, or RUNTIME=venv"
        )
    options.runtime = "venv"


def add_accept(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the run, why it is accepted, and whether to write."""
    parser.add_argument(
        "run",
        type=reader(path, "RUN"),
        help="the folder of a finished run, e.g. runs/mini, runs/check-my_encoder-build",
    )
    parser.add_argument(
        "--name",
        type=reader(line, "--name"),
        help="of the file encoders/NAME.toml (default: the encoder's name in cells)",
    )
    parser.add_argument(
        "--at-least",
        action="store_true",
        help="of a candidate: later runs may be better without a limit, and are held to being no worse",
    )
    parser.add_argument(
        "--accepted",
        type=reader(path, "--accepted"),
        metavar="FOLDER",
        help="where to keep them, to be named to later runs likewise (default: expected, of the checkout)",
    )
    add_reason(parser)
    parser.add_argument("--diff", action="store_true", help="say what would change, and change nothing")


def run_accept(options: argparse.Namespace) -> int:
    """Freeze what a run measured: later runs of the same encoder, or on the same device, are held against these values.

    A run with a candidate (`make check`) freezes that encoder's values, `encoders/NAME.toml` of the folder. Any
    other freezes all of its own as those of its CPU or GPU model, `accepted/PROFILE/DEVICE.toml`
    (docs/explanation/two_gates.md).
    """
    from suite.run.folder import at_work_again
    from suite.run.run_file import read_run

    # what is accepted must not be half of this run and half of one that is at work in its folder
    with nullcontext() if options.diff else at_work_again(options.run):
        encoders = read_run(options.run)["asked"]["encoders"]
        reason = "" if options.diff else require_reason("accept", options.reason)
        return _accept(options, encoders, reason)


def _accept(options: argparse.Namespace, encoders: Sequence[str], reason: str) -> int:
    from suite.candidate.accept import accept
    from suite.reference import accepted, candidates
    from suite.reproduction.accept import accept_run

    diff, folder = options.diff, options.accepted
    if any(method_name(spec) not in (*METHODS, *BASELINES) for spec in encoders):
        folder = folder and folder / candidates.FOLDER
        return accept(
            options.run, reason=reason, name=options.name, at_least=options.at_least, diff=diff, folder=folder
        )
    if options.name:
        raise RequestError(f"--name {options.name}: a run without a candidate is named after its device")
    if options.at_least:
        raise RequestError("--at-least: a run without a candidate is held to its values from both sides")
    return accept_run(options.run, reason=reason, diff=diff, folder=folder and folder / accepted.FOLDER)


VERBS = (
    Verb("check", add_check, run_check),
    Verb("accept", add_accept, run_accept),
)
