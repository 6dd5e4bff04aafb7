"""Verbs for a candidate, and for freezing what a run measured."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from suite.candidate.beside import SHIPPED, archive_among
from suite.candidate.listed import Candidates, candidates, companions
from suite.cells import BASELINES, METHODS, method_name
from suite.cli.options import add_reason, add_request, execution, require_reason, to_request
from suite.cli.runtime import add_runtime, elsewhere
from suite.cli.verb import Verb
from suite.core.values import line, path, points, reader, specs
from suite.errors import RequestError
from suite.run.arguments import CHECK
from suite.specs import parse


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the encoders, and what is asked for; `--encoder` names those they are measured beside."""
    parser.add_argument("spec", type=reader(candidates, "ENCODER"), help=CHECK["ENCODER"].help)
    parser.add_argument("--alone", action="store_true", help=CHECK["--alone"].help)
    parser.add_argument("--no-worse-than", metavar="METHOD", help=CHECK["--no-worse-than"].help)
    parser.add_argument("--by", type=reader(points, "--by"), metavar="POINTS", help=CHECK["--by"].help)
    parser.add_argument("--at-least", metavar="METHOD", help=CHECK["--at-least"].help)
    parser.add_argument("--conformance-only", action="store_true", help=CHECK["--conformance-only"].help)
    add_request(parser)
    add_runtime(parser)


def run_check(options: argparse.Namespace) -> int:
    """Put new encoders through the experiments, beside the seven.

    First come the conformance checks, which take seconds: what fails there would fail, or mislead, after hours.
    Then the experiments run, and the report says where each stands among the seven, and beside the others.
    """
    asked: Candidates = options.spec
    words, archive = archive_among(specs("--encoder", options.encoder))
    _check_runtime(options, asked.specs, archive)
    if len(asked.specs) > 1 and options.run is None:
        options.run = asked.run  # the container does not see the list that it is named after
    code = elsewhere(options, "check", positional={"spec": asked.specs})
    if code is not None:
        return code
    is_alone = options.alone or (archive is not None and not words)
    methods = companions(words, profile=options.profile, alone=is_alone)
    if options.alone and archive is None and options.profile == "mini":
        archive = SHIPPED
    options.encoder = [*asked.specs, *methods]
    request = to_request(options, run=asked.run)
    bound = _bound(options, request.names, is_beside=archive is not None)
    if options.conformance_only:
        from suite.candidate.apart import check_conformance

        return check_conformance(asked.specs, request)
    from suite.candidate.check import check

    return check(asked.specs, request, execution(options), bound=bound, archive=archive)


def _bound(options: argparse.Namespace, names: Mapping[str, str], *, is_beside: bool) -> tuple[str, float] | None:
    """Return the reference of the one-sided gate, by its name in cells, and its margin.

    Args:
        options: as `add_check` defines them.
        names: of the encoders that are measured.
        is_beside: scores of the seven and the floors come from an earlier run.

    Raises:
        RequestError: a margin without a reference, two references, or one that is not measured beside a candidate.
    """
    if options.at_least is not None and options.no_worse_than is not None:
        raise RequestError(
            f"--at-least {options.at_least} and --no-worse-than {options.no_worse_than}: expected one of them"
        )
    if options.no_worse_than is None and options.by is not None:
        raise RequestError(f"--by {options.by:g}: expected --no-worse-than METHOD beside it")
    option, reference = next(
        (pair for pair in (("--no-worse-than", options.no_worse_than), ("--at-least", options.at_least)) if pair[1]),
        ("", None),
    )
    if reference is None:
        return None
    candidate_specs = options.spec.specs
    rivals = [name for spec, name in names.items() if len(candidate_specs) > 1 or spec not in candidate_specs]
    name = names.get(reference, reference)
    if name not in rivals and not (is_beside and name in {*METHODS, *BASELINES}):
        others = "them" if len(candidate_specs) > 1 else "it"
        raise RequestError(
            f"{option} {reference}: expected one that is measured beside {others} "
            f"({', '.join(rivals) or 'none is'}): add it with BESIDE={reference}"
        )
    return name, options.by or 0.0


def _check_runtime(options: argparse.Namespace, encoders: Sequence[str], archive: Path | None) -> None:
    """Refuse an encoder that is still to be downloaded: the container has no network, so it runs outside.

    So does a check beside an archive, which the container does not see.

    Raises:
        RequestError: it was to run in the container.
    """
    if archive is not None:
        if options.runtime == "container":
            raise RequestError(f"--encoder {archive}: the container does not see an archive: pass RUNTIME=venv")
        options.runtime = "venv"
    for spec in encoders:
        if not spec.startswith("timm:") or parse(spec).file:
            continue
        if options.runtime == "container":
            raise RequestError(
                f"check {spec}: the container has no network to download its weights: pass {spec}@FILE, or RUNTIME=venv"
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
        help="of a candidate: later runs may be better without a limit, and are held to being no worse, item by item: "
        "the scores of single items are kept beside the values",
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
