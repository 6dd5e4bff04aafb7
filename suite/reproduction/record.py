"""Job of `make record`: measure the mini study over several seeds and write it down as its own reference."""

from __future__ import annotations

import platform
from dataclasses import replace

from suite.core.environment import capture
from suite.core.files import write_atomically
from suite.core.paths import DOCS, EXPECTED
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.text import now
from suite.errors import RequestError, StorageError
from suite.reference.expected import RECORDED
from suite.reference.recorded_page import results_page
from suite.reference.recording import Recording, write_mini
from suite.reference.seal import seal
from suite.reference.slack import Slack, load_slack
from suite.reproduction.measure import measure
from suite.results.store import Store
from suite.run.attempts.attempt import attempt, interruption
from suite.run.execution import BY_DEFAULT, Execution
from suite.run.folder import at_work
from suite.run.request import Request, make_request

PAGE = DOCS / "evidence" / "mini_results.md"


def record(request: Request, *, reason: str, execution: Execution = BY_DEFAULT) -> int:
    """Measure over several seeds and write the recorded references of the profile; nothing is held against older ones.

    Args:
        request: the whole mini profile; see `check_request`.
        reason: why these values are to be the new references; kept with them and with the attempt.
        execution: how it is carried out.

    Returns:
        0; 130 or 143 if a signal ended it.

    Raises:
        RequestError: not the whole profile was asked for.
        StorageError: something did not run, and then nothing is written; or the disk is full.
        BusyError: another command is at work in the run folder.
    """
    check_request(request)
    slack = load_slack(EXPECTED)  # what is wrong with it is said before hours of work
    exact_convolutions()  # as the experiments will: precision is part of the environment that is noted
    with at_work(request.run), attempt(request, verb="record", reason=reason) as attempt_log:
        if measure(replace(request, judged=False), execution, attempt_log=attempt_log):
            outcome, code = interruption()
            attempt_log.end(outcome, exit_code=code)
            return code
        _write(request, slack, reason)
        attempt_log.end("finished", exit_code=0)
    return 0


def check_request(request: Request) -> None:
    """Refuse what cannot become the references of a profile.

    Raises:
        RequestError: not the whole mini profile, or results of several environments.
    """
    if request.profile.name != RECORDED or request.limit is not None or _partial(request):
        raise RequestError("record: expected the whole mini profile: no LIMIT, ENCODER, DATASET, EXPERIMENT or VARIANT")
    if request.keep_other_environments:
        raise RequestError("record: expected results of one environment: pass no --keep-other-environments")


def _write(request: Request, slack: Slack, reason: str) -> None:
    """Write what was measured as the profile's references, and the table for people."""
    store = Store(request.run)
    missing_trials = [str(request.key(*task)) for task in request.tasks() if request.key(*task) in store.reasons()]
    if missing_trials:
        raise StorageError(
            f"record: {len(missing_trials)} trials did not run, {missing_trials[0]} first; nothing was written"
        )
    code = capture(request.device)["code"]
    recording = Recording(
        command=f"make record SEED={','.join(map(str, request.seeds))}",
        commit=f"{code['commit']}{' with local changes' if code['dirty'] else ''}",
        date=now()[:10],
        machine=f"{platform.machine()}, {usable_processors()} cores, {request.device}",
        reason=reason,
    )
    results = list(store.results())
    for name in request.experiments:
        experiment_results = [r for r in results if r.key.experiment == name]
        measurements = [m for r in experiment_results for m in r.measurements()]
        if measurements:
            items = min(
                (r.summaries["test_items"] for r in experiment_results if "test_items" in r.summaries), default=None
            )
            path = EXPECTED / RECORDED / f"{name}.toml"
            write_mini(path, measurements, recording=recording, slack=slack, test_items=items)
            print(f"recorded {len(measurements)} cells in {path}")
    seal(EXPECTED / RECORDED)
    page = results_page(request.profile, [m for r in results for m in r.measurements()], recording)
    write_atomically(PAGE, page.encode())


def _partial(request: Request) -> bool:
    whole_request = make_request(profile=request.profile.name, device=request.device)
    return any(
        getattr(request, n) != getattr(whole_request, n) for n in ("encoders", "datasets", "experiments", "variants")
    )
