"""`make check`: the conformance checks first, then the experiments, beside the seven."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from suite.candidate.apart import conformance_of
from suite.conformance import Check, require
from suite.core.files import write_atomically, write_json
from suite.errors import EvidenceError, RequestError
from suite.experiments.forked import PRELOADED
from suite.protocol.profiles import load_profile
from suite.registry import EXPERIMENTS
from suite.report import candidates, files
from suite.report.digests import is_own
from suite.report.inputs import BOUND
from suite.report.labels import STATUSES
from suite.reproduction.reproduce import reproduce_here
from suite.results.store import Key, Store
from suite.run.execution import BY_DEFAULT, Execution
from suite.run.folder import at_work, check_encoders, check_weights
from suite.run.networks import forget_networks, note_passed
from suite.run.processes import start_server
from suite.run.request import Request, check_writable


def companions(specs: Sequence[str], *, profile: str, alone: bool) -> list[str]:
    """Return the encoders that are measured beside the one under test.

    In the mini profile all of its own, since they cost little; in the paper's none unless named, since the published
    values can stand in for them.

    Raises:
        RequestError: no such profile, or others were named although it should be alone.
    """
    if alone and specs:
        raise RequestError(f"--alone and --encoder {','.join(specs)}: expected one of them")
    own_profile = load_profile(profile)
    return list(specs) if specs or alone or profile != "mini" else list(own_profile.methods)


def check(
    spec: str, request: Request, execution: Execution = BY_DEFAULT, *, bound: tuple[str, float] | None = None
) -> int:
    """Run the conformance checks, measure, report.

    Args:
        spec: the candidate, one of the request's.
        request: what to run it on, and beside whom.
        execution: how it is carried out.
        bound: the reference that it may not be worse than, and by how many points it may; None for no such gate.

    Returns:
        The exit code of the verdict, 130 if interrupted.

    Raises:
        RequestError: the spec is one of the paper's own, or the encoder fails a conformance check; nothing is measured.
        BusyError: another command is at work in the run folder.
    """
    if spec in request.profile.methods:
        raise RequestError(f"encoder {spec!r}: one of the profile's own: use make reproduce; for a file, {spec}@FILE")
    with at_work(request.run):
        return _check(spec, request, execution, bound)


def check_conformance(spec: str, request: Request) -> int:
    """Run the conformance checks only, and write nothing.

    Returns:
        0.

    Raises:
        RequestError: the encoder fails one.
    """
    print(f"conformance of {spec}")
    start_server(*PRELOADED)  # it imports what all that follows needs
    require(conformance_of(spec, request.device, needs_other_sizes=_segments(request), tell=_print_check))
    return 0


def _check(spec: str, request: Request, execution: Execution, bound: tuple[str, float] | None) -> int:
    check_encoders(request)
    check_writable(request.run)
    print(f"conformance of {spec}")
    start_server(*PRELOADED)  # it imports what all that follows needs
    conformance = conformance_of(spec, request.device, needs_other_sizes=_segments(request), tell=_print_check)
    if conformance.facts:
        check_weights(request, spec, conformance.facts["weights"])
    write_json(request.run / "conformance.json", conformance.record())
    require(conformance)
    forget_networks(request.run)
    note_passed(request.run, spec, conformance.facts)
    adopt(Path("runs") / request.profile.name, request)
    if bound is None:
        (request.run / BOUND).unlink(missing_ok=True)
    else:
        write_json(request.run / BOUND, {"reference": bound[0], "margin": bound[1]})
    code = reproduce_here(request, execution)
    for candidate in files.load(request.run)["newcomers"]:
        print(standing(candidate))
    return code


def standing(candidate: Mapping[str, Any]) -> str:
    """Write where it stands beside the seven, for the terminal: value and rank in every column, and two sentences."""
    rows = [(row.column, row.value, row.rank) for row in candidates.table(dict(candidate))]
    table = tabulate(rows, (candidate["method"], "value", "rank"), disable_numparse=True)
    return f"\n{table}\n{candidate['sentence']}\n{candidates.verdict_of_pairs(dict(candidate))}"


def adopt(run: Path, request: Request) -> None:
    """Copy what another run has finished and this one has not; each is reused only if its inputs are unchanged.

    What was edited by hand there is named, and left.
    """
    source, target = Store(run), Store(request.run)
    for task in request.tasks():
        key = request.key(*task)
        if source.path(key).exists() and not target.path(key).exists() and _is_intact(source, key):
            pictures = sorted((run / "figures" / key.experiment / key.dataset / key.method).glob("*.png"))
            for path in (*pictures, source.items_path(key), source.path(key)):  # the cell last: it vouches for the rest
                if is_own(path):
                    write_atomically(request.run / path.relative_to(run), path.read_bytes())


def _is_intact(store: Store, key: Key) -> bool:
    try:
        store.checked(key)
    except EvidenceError as error:
        print(f"warning: {error.problem}: not taken over, measured again", file=sys.stderr)
        return False
    return True


def _segments(request: Request) -> bool:
    return any(EXPERIMENTS[experiment.name].kind == "segmentation" for experiment, _, _ in request.tasks())


def _print_check(check: Check) -> None:
    print(f"  {STATUSES[check.status].mark:<4} {check.name:<16} {check.detail or check.status}", flush=True)
