"""Measurement of what was asked for: data, plan, and every trial by pytest."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from suite.archive import sbom
from suite.core.environment import capture
from suite.core.files import plain, write_json
from suite.core.numerics import environment_of
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.text import now
from suite.plan.forecast import write_plan
from suite.plan.record import planned_jobs
from suite.reproduction.settled import settle, unsettle
from suite.reproduction.trials import Trials
from suite.results.store import Store
from suite.run.attempts.attempt import Attempt
from suite.run.calls import ProcessDiedError, call
from suite.run.execution import Execution
from suite.run.groups import groups_of, ordered_groups, processes_for
from suite.run.leases import free_gpus
from suite.run.progress import Progress
from suite.run.request import Request, check_writable, with_writable_cache
from suite.run.run_file import FILE
from suite.run.steps import Steps, expected_seconds
from suite.verification.quick import check_environment
from suite.verification.record import take_along


def measure(
    request: Request, execution: Execution, *, attempt_log: Attempt | None = None, steps: Steps | None = None
) -> bool:
    """Render the mini data if need be, then run every trial, or those of a shard.

    Args:
        request: what is asked for.
        execution: how it is carried out.
        attempt_log: the attempt that it belongs to; told what was measured, reused and lost.
        steps: told of data, plan and measuring as they begin; None where nobody follows them.

    Returns:
        True if the user interrupted it.
    """
    steps = steps or Steps(lambda _line: None)
    check_writable(request.run)
    working = with_writable_cache(request)
    places = _free_places(request)
    unsettle(request.run)
    if not execution.joins:  # what another run is writing just now looks altered; it is measured again in any case
        set_altered_aside(Store(request.run))
    folder, groups = execution.folder(request.run), ordered_groups(request)
    place = {str(request.key(*task)): number for number, task in enumerate(request.tasks())}
    # one command takes them as they were asked for, a shard the longest first
    own_groups = (
        execution.shard.part(groups) if execution.shard else sorted(groups, key=lambda trials: place[trials[0]])
    )
    own_trials = {trial for trials in own_groups for trial in trials}
    keys = [key for key in (request.key(*task) for task in request.tasks()) if str(key) in own_trials]
    processes = processes_for(request, len(set(groups_of(request).values())), execution.workers)
    is_mini = request.profile.name == "mini"
    unknown: dict[str, float | None] = {} if is_mini else {"measuring": None}
    steps.expect(expected_seconds(len(keys), processes) | unknown)
    steps.begin("data", "drawn where they are missing or damaged" if is_mini else "taken as they are")
    prepare_data(request, [key.dataset for key in keys], workers=execution.workers)
    take_along(request.data, request.run, request.datasets)
    sbom.take_along(request.run)
    steps.begin("plan", "what is stored, and what is to be measured")
    environment = call(_look_around, request, folder)
    _plan(working, folder, own_trials, execution.workers)
    count, seconds = _planned(folder, len(keys), processes)
    steps.expect(expected_seconds(count, processes) | unknown | seconds)
    steps.begin("measuring", f"{count} of {len(keys)} trials")
    progress = Progress(keys)
    record: dict[str, Any] = {"asked": request.record(), "started": now(), "finished": None, "reused": []}
    if execution.joins:
        record["groups"] = groups
    if execution.shard is None:
        write_json(request.run / FILE, record)
    interrupted = False
    try:
        _run(working, execution, progress, environment, places=places, groups=own_groups, processes=processes)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.close()
        if attempt_log is not None:
            tally = progress.tally
            attempt_log.measured, attempt_log.reused, attempt_log.lost = tally.measured, tally.reused, tally.lost
    if execution.shard is None:
        write_json(request.run / FILE, record | {"finished": now(), "reused": sorted(progress.tally.reused)})
        if not interrupted and not progress.tally.lost:
            settle(request, environment)
    return interrupted


def set_altered_aside(store: Store) -> None:
    """Name results edited by hand since they were stored, keep them under another name, and measure them again."""
    for key, error in store.altered():
        print(f"warning: {error.problem}: kept as {store.set_aside(key).name}, to be measured again", file=sys.stderr)


def prepare_data(request: Request, names: Iterable[str] | None = None, *, workers: int | None = None) -> None:
    """Draw the mini study's data where it is missing or damaged; say so if the bytes are not the recorded ones."""
    if request.profile.name != "mini":
        return
    from suite.mini.render import render

    datasets = tuple(dict.fromkeys(names or (dataset for _, dataset, _ in request.tasks())))
    for dataset in render(request.data, names=datasets, workers=workers):
        if not dataset.as_recorded:
            print(f"warning: {dataset.name}: drawn differently from the recorded study (other NumPy or Pillow?)")


def _look_around(request: Request, folder: Path) -> dict[str, Any]:
    """Check and describe the environment, in a process of its own; return what results depend on."""
    check_environment(folder, request.profile.name, request.device, strict=request.strict)
    exact_convolutions()
    numerics = environment_of(request.device)
    write_json(folder / "environment.json", plain(capture(request.device) | {"numerics": numerics}))
    return numerics


def _plan(request: Request, folder: Path, trials: Collection[str], workers: int | None) -> None:
    """Plan the run in a process of its own, since encoders of the user are loaded for it."""
    try:
        call(partial(write_plan, folder=folder, trials=trials, workers=workers), request)
    except ProcessDiedError as error:
        print(f"warning: no plan could be made: {error}", file=sys.stderr)


def _planned(folder: Path, trials: int, processes: int) -> tuple[int, dict[str, float]]:
    """Return the trials that the plan has to measure, and what it knows of the seconds; all of them without a plan."""
    jobs = planned_jobs(folder)
    if jobs is None:
        return trials, {}
    durations = [job["seconds"] for job in jobs]
    known = {} if None in durations else {"measuring": sum(durations) / processes}
    return sum(len(job["trials"]) for job in jobs), known


def _free_places(request: Request) -> int | None:
    """Count the processes that free GPUs allow, and say who holds the others; None on the CPU.

    Raises:
        BusyError: not even one.
    """
    if request.device != "cuda":
        return None
    free, busy = call(free_gpus, request.processes_per_probe)
    if busy:
        print(f"not used: {'; '.join(busy)}", file=sys.stderr)
    return free // request.processes_per_probe


def _run(
    request: Request,
    execution: Execution,
    progress: Progress,
    environment: Mapping[str, Any],
    *,
    places: int | None,
    groups: Sequence[Sequence[str]],
    processes: int,
) -> None:
    """Run the trials, as many threads each where a run goes on as from the beginning: sums are rounded by them.

    Nor do threads follow from `places`, which are fewer where other runs hold GPUs, or from a shard's groups.
    """
    threads = max(1, usable_processors() // processes)
    Trials(
        request,
        execution,
        progress,
        environment,
        groups=groups,
        processes=max(1, min(processes, places or processes, len(groups))),
        threads=threads,
    ).run()
