"""`make check`: the conformance checks first, then the experiments, beside the seven."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from suite.candidate.apart import conformances_of, require_all
from suite.candidate.beside import put_beside
from suite.core.files import write_atomically, write_json
from suite.errors import EvidenceError, RequestError
from suite.experiments.forked import PRELOADED
from suite.report import files, terminal
from suite.report.digests import is_own
from suite.report.inputs import BOUND, CONFORMANCE, SEVERAL
from suite.report.inputs import conformances as conformances_in
from suite.reproduction.reproduce import reproduce_here
from suite.results.store import Key, Store
from suite.run.execution import BY_DEFAULT, Execution
from suite.run.folder import at_work, check_encoders, check_weights
from suite.run.networks import forget_networks, note_passed
from suite.run.processes import start_server
from suite.run.request import Request, check_writable
from suite.run.run_file import read_run


def check(
    specs: Sequence[str],
    request: Request,
    execution: Execution = BY_DEFAULT,
    *,
    bound: tuple[str, float] | None = None,
    archive: Path | None = None,
) -> int:
    """Run the conformance checks, measure, report.

    Args:
        specs: the candidates, some of the request's.
        request: what to run them on, and beside whom.
        execution: how it is carried out.
        bound: the reference that none may be worse than, and by how many points it may; None for no such gate.
        archive: an earlier run whose scores stand beside the candidates'; None for none.

    Returns:
        The exit code of the verdict, 130 if interrupted.

    Raises:
        RequestError: a spec is one of the paper's own, the folder holds a run of other candidates, or an encoder fails
            a conformance check, or the archive is of other data or another protocol; nothing is measured.
        BusyError: another command is at work in the run folder.
    """
    _check_own(specs, request)
    with at_work(request.run):
        return _check(specs, request, execution, bound, archive)


def _check_own(specs: Sequence[str], request: Request) -> None:
    for spec in specs:
        if spec in request.profile.methods:
            raise RequestError(
                f"encoder {spec!r}: one of the profile's own: use make reproduce; for a file, {spec}@FILE"
            )


def _check(
    specs: Sequence[str],
    request: Request,
    execution: Execution,
    bound: tuple[str, float] | None,
    archive: Path | None,
) -> int:
    check_encoders(request)
    check_candidates(request, specs)
    check_writable(request.run)
    start_server(*PRELOADED)  # it imports what all that follows needs
    conformances = conformances_of(specs, request)
    for conformance in conformances:
        if conformance.facts:
            check_weights(request, conformance.encoder, conformance.facts["weights"])
    records = [conformance.record() for conformance in conformances]
    write_json(request.run / CONFORMANCE, {SEVERAL: records} if len(records) > 1 else records[0])
    require_all(conformances)
    forget_networks(request.run)
    for conformance in conformances:
        note_passed(request.run, conformance.encoder, conformance.facts, request.variants)
    put_beside(archive, request, specs[0])
    adopt(Path("runs") / request.profile.name, request)
    if bound is None:
        (request.run / BOUND).unlink(missing_ok=True)
    else:
        write_json(request.run / BOUND, {"reference": bound[0], "margin": bound[1]})
    code = reproduce_here(request, execution)
    for block in terminal.candidate_blocks(files.load(request.run)):
        print(f"\n{block}")
    return code


def check_candidates(request: Request, specs: Sequence[str]) -> None:
    """Check that no report on candidates is replaced by one that leaves some of them out, where either is on several.

    Args:
        request: what is asked for.
        specs: the candidates.

    Raises:
        RequestError: it would be.
    """
    try:
        encoders = read_run(request.run)["asked"]["encoders"]
    except RequestError:  # no run, or a damaged note, which the new one replaces
        return
    earlier = [spec for spec in encoders if spec not in request.profile.methods]
    lost = [spec for spec in earlier if spec not in request.encoders]
    was_sweep = len(conformances_in(request.run, encoders, lambda _problem: None)) > 1
    if lost and (was_sweep or len(specs) > 1):
        raise RequestError(
            f"{request.run}: holds a run of {', '.join(earlier)}; not among the encoders now: {', '.join(lost)}: "
            f"choose another folder, e.g. RUN={request.run}-2, or remove this one"
        )


def adopt(run: Path, request: Request) -> None:
    """Copy what another run has finished and this one has not; each is reused only if its inputs are unchanged.

    What was edited by hand there is named, and left.
    """
    source, target = Store(run), Store(request.run)
    for task in request.tasks():
        key = request.key(*task)
        if source.path(key).exists() and not target.path(key).exists() and _is_intact(source, key):
            pictures = sorted((run / "figures" / key.experiment / key.dataset / key.method).glob("*.png"))
            for path in (
                *pictures,
                *source.item_files(key),
                source.path(key),
            ):  # the cell last: it vouches for the rest
                if is_own(path):
                    write_atomically(request.run / path.relative_to(run), path.read_bytes())


def _is_intact(store: Store, key: Key) -> bool:
    try:
        store.checked(key)
    except EvidenceError as error:
        print(f"warning: {error.problem}: not taken over, measured again", file=sys.stderr)
        return False
    return True
