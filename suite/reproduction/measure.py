"""Measurement of what was asked for: data, plan, and every trial by pytest."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest

from suite.archive import sbom
from suite.core.environment import capture
from suite.core.files import plain, write_json
from suite.core.numerics import environment_of
from suite.core.paths import EXPERIMENTS, ROOT
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.source_code import trial_code
from suite.core.text import now
from suite.errors import RequestError, StorageError
from suite.plan.forecast import write_plan
from suite.reproduction.settled import settle, unsettle
from suite.results.store import Result, Store
from suite.run.attempts.attempt import Attempt
from suite.run.groups import group_of, groups_of, processes_for
from suite.run.progress import Progress
from suite.run.request import Request, check_writable
from suite.verification.quick import check_environment
from suite.verification.record import take_along


def measure(request: Request, *, workers: int | None = None, attempt_log: Attempt | None = None) -> bool:
    """Render the mini data if need be, then run every trial.

    Args:
        request: what is asked for.
        workers: processes; None for one per core, or per GPU.
        attempt_log: the attempt that it belongs to; told what was measured, reused and lost.

    Returns:
        True if the user interrupted it.
    """
    check_writable(request.run)
    check_writable(request.cache)
    unsettle(request.run)
    set_altered_aside(Store(request.run))
    prepare_data(request, workers=workers)
    take_along(request.data, request.run, request.datasets)
    sbom.take_along(request.run)
    check_environment(request.run, request.profile.name, request.device, strict=request.strict)
    exact_convolutions()
    environment = capture(request.device) | {"numerics": environment_of(request.device)}
    write_json(request.run / "environment.json", plain(environment))
    write_plan(request, workers=workers)
    start = now()
    keys = [request.key(*task) for task in request.tasks()]
    progress = Progress(keys)
    write_json(request.run / "run.json", {"asked": request.record(), "started": start, "finished": None, "reused": []})
    try:
        exit_code = _run_pytest(request, progress, workers)
    finally:
        progress.close()
        if attempt_log is not None:
            tally = progress.tally
            attempt_log.measured, attempt_log.reused, attempt_log.lost = tally.measured, tally.reused, tally.lost
    record = {"asked": request.record(), "started": start, "finished": now(), "reused": sorted(progress.tally.reused)}
    write_json(request.run / "run.json", record)
    if progress.storage_error:
        raise StorageError(progress.storage_error)
    if progress.stopped or exit_code in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
        raise RequestError(f"pytest could not run the experiments: see {request.run / 'pytest.log'}")
    if not progress.interrupted and not progress.tally.lost:
        settle(request, environment["numerics"])
    return progress.interrupted


def set_altered_aside(store: Store) -> None:
    """Name results edited by hand since they were stored, keep them under another name, and measure them again."""
    for key, error in store.altered():
        print(f"warning: {error.problem}: kept as {store.set_aside(key).name}, to be measured again", file=sys.stderr)


def prepare_data(request: Request, *, workers: int | None = None) -> None:
    """Draw the mini study's data where it is missing or damaged; say so if the bytes are not the recorded ones."""
    if request.profile.name != "mini":
        return
    from suite.mini.render import render

    datasets = tuple(dict.fromkeys(dataset for _, dataset, _ in request.tasks()))
    for dataset in render(request.data, names=datasets, workers=workers):
        if not dataset.as_recorded:
            print(f"warning: {dataset.name}: drawn differently from the recorded study (other NumPy or Pillow?)")


def _run_pytest(request: Request, progress: Progress, workers: int | None) -> int:
    """Run the trials in this process or spread over several; pytest's own output goes to a log."""
    # where a run goes on, as many threads each as from the beginning: sums are rounded by them
    initial_processes = processes_for(request, len(set(groups_of(request).values())), workers)
    processes = min(initial_processes, processes_for(request, _pending(request), workers))
    arguments = [
        str(EXPERIMENTS),
        f"--rootdir={ROOT}",
        *("-p", "no:cacheprovider"),
        "--quiet",
        "--tb=short",
        f"--ignore={EXPERIMENTS / 'test_claims.py'}",  # the report holds them against all cells
        *request.arguments(),
        f"--threads={max(1, usable_processors() // initial_processes)}",
        *(["-n", str(processes)] if processes > 1 else ["-p", "no:xdist"]),
    ]
    with (request.run / "pytest.log").open("w") as log, contextlib.redirect_stdout(log):
        return int(pytest.main(arguments, plugins=[progress]))


def _pending(request: Request) -> int:
    """Count units that surely have to be measured: nothing is stored of a trial, or by other code, or elsewhere."""
    store = Store(request.run)
    results = ((task, store.load(request.key(*task))) for task in request.tasks())
    return len(
        {group_of(request, *task) for task, result in results if result is None or not _may_hold(request, result)}
    )


def _may_hold(request: Request, result: Result) -> bool:
    """Tell whether a stored result may be reused, as far as can be told without reading weights and data."""
    inputs: dict[str, Any] = {"code": trial_code(result.key.experiment)}
    if not request.keep_other_environments:
        inputs["environment"] = environment_of(request.device)
    return all(result.inputs.get(name) == value for name, value in inputs.items())
