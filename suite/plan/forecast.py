"""A request as jobs with their durations: what a plan shows, and what a run's report is held against."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.source_code import trial_code
from suite.errors import SuiteError
from suite.experiments.context import Context
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Task
from suite.plan.counts import splits_of
from suite.plan.rates import Rates, load_rates, rates_elsewhere, seconds_of
from suite.plan.record import save_plan
from suite.plan.shapes import shape_of
from suite.plan.similar import in_proportion
from suite.plan.work import AnyTask, job_of, together
from suite.protocol.settings import Settings
from suite.results.store import Key, Result, Store
from suite.run.groups import group_of, processes_for
from suite.run.request import Request


@dataclass(frozen=True)
class Entry:
    """A job to be done.

    Attributes:
        job: the work.
        seconds: of one process; None where unknown.
        basis: where they come from: `calibration`, `earlier run`, `similar work`, or empty.
    """

    job: Job
    seconds: float | None
    basis: str

    @property
    def experiment(self) -> str:
        """The experiment that its time is booked under."""
        return self.job.keys[0].experiment


@dataclass(frozen=True)
class Forecast:
    """Work that a request has to do.

    Attributes:
        request: what is asked for.
        entries: jobs to be done, those of an experiment together.
        measured: trials whose result is stored and still holds.
        unplanned: trials that cannot be counted: no data, or no encoder, and nothing published.
        processes: that will run side by side.
        rates: of operations.
        shapes: by name.
    """

    request: Request
    entries: list[Entry]
    measured: list[Key]
    unplanned: list[Key]
    processes: int
    rates: Rates
    shapes: dict[str, Shape]

    @property
    def seconds(self) -> float | None:
        """Seconds of one process, all that is known; None where nothing is."""
        durations = [entry.seconds for entry in self.entries if entry.seconds is not None]
        return sum(durations) if durations or not self.entries else None

    @property
    def unknown(self) -> int:
        """Trials whose duration is unknown."""
        return sum(len(entry.job.keys) for entry in self.entries if entry.seconds is None) + len(self.unplanned)

    def until_done(self, entries: Iterable[Entry]) -> float:
        """Return seconds that jobs take on this device, side by side; those of unknown duration do not count.

        As a run does: the jobs of most trials first, each by the process that is free first.
        """
        free = [0.0] * self.processes
        for entry in sorted(entries, key=lambda entry: -len(entry.job.keys)):
            heapq.heapreplace(free, free[0] + (entry.seconds or 0.0))
        return max(free)

    @property
    def disk_bytes(self) -> float:
        """Bytes of features, as many as the cache may keep, and of checkpoints."""
        feature_bytes = min(self.request.cache_gb * 1e9, sum(entry.job.features_bytes for entry in self.entries))
        return feature_bytes + sum(entry.job.checkpoint_bytes for entry in self.entries)

    def operations(self) -> list[Operation]:
        """Return every operation whose rate is needed."""
        works = [amounts for entry in self.entries for amounts in (entry.job.steps, entry.job.reading)]
        return list({operation for amounts in works for operation, count in amounts.items() if count})


def forecast(
    request: Request, *, digests: bool = True, workers: int | None = None, elsewhere: str | None = None
) -> Forecast:
    """Count what is to be done, and time it by the rates that are remembered.

    Args:
        request: what is asked for.
        digests: hold stored results against weights and data too, as the run will; False takes no time for that.
        workers: processes, where the user names a number.
        elsewhere: rates of a device that is not here; see `suite.plan.rates.rates_elsewhere`.

    Raises:
        RequestError: there are no such rates.
    """
    rates_of_another = None if elsewhere is None else rates_elsewhere(request.cache, elsewhere)
    exact_convolutions()  # as in the run: results of another precision are measured again, and speed differs
    shapes: dict[str, Shape] = {}
    tasks, unplanned, measured = _tasks(request, shapes, digests=digests)
    jobs = [job_of(group) for group in together(tasks)]
    groups = {group_of(request, task.experiment, task.dataset, task.spec) for task in tasks}
    processes = processes_for(request, len(groups) + len(unplanned), workers)
    rates = rates_of_another or load_rates(request.cache, request.device, _threads(processes))
    plan = Forecast(request, [], measured, unplanned, processes, rates, shapes)
    plan.entries.extend(Entry(job, None, "") for job in sorted(jobs, key=_place(request)))
    return timed(plan)


def timed(forecast: Forecast) -> Forecast:
    """Time the forecast: by rates, by earlier results of the run folder, or by similar work's rates."""
    device, threads = forecast.request.device, _threads(forecast.processes)
    similar = _with_similar(forecast)
    for n, entry in enumerate(forecast.entries):
        sources = {
            "calibration": lambda job: seconds_of(job, forecast.rates, device=device, threads=threads),
            "earlier run": lambda job: _earlier(forecast.request, job),
            "similar work": lambda job: seconds_of(job, similar, device=device, threads=threads),
        }
        durations = ((basis, seconds(entry.job)) for basis, seconds in sources.items())
        basis, seconds = next(((basis, seconds) for basis, seconds in durations if seconds is not None), ("", None))
        forecast.entries[n] = Entry(entry.job, seconds, basis)
    return forecast


def _with_similar(forecast: Forecast) -> Rates:
    """Return rates of everything that a forecast needs, where work of the kind was timed."""
    timed_operations = [(Operation.parse(text), seconds) for text, seconds in forecast.rates.seconds.items()]
    untimed = [operation for operation in forecast.operations() if str(operation) not in forecast.rates.seconds]
    rates = {str(operation): in_proportion(operation, timed_operations, forecast.shapes) for operation in untimed}
    return replace(forecast.rates, seconds=forecast.rates.seconds | {k: v for k, v in rates.items() if v is not None})


def threads_of(forecast: Forecast) -> int:
    """Return threads of each process."""
    return _threads(forecast.processes)


def _threads(processes: int) -> int:
    return max(1, usable_processors() // processes)


def _tasks(request: Request, shapes: dict[str, Shape], *, digests: bool) -> tuple[list[AnyTask], list[Key], list[Key]]:
    """Return tasks to do, trials that cannot be counted, and trials measured; shapes are added by name.

    Files are looked into only where something is to be done with them: a run that has nothing left to do does not
    wait for its plan.
    """
    shape_of_spec = cache(partial(_shape, request))
    splits_by_name = cache(lambda name, dataset: splits_of(request, request.profile.experiment(name), dataset))
    tasks: list[AnyTask] = []
    unplanned, measured = [], []
    for experiment, dataset, spec in request.tasks():
        key = request.key(experiment, dataset, spec)
        if _is_measured(Context(request, experiment, dataset, spec), digests=digests):
            measured.append(key)
            continue
        shape, splits = shape_of_spec(spec), splits_by_name(experiment.name, dataset)
        if shape is None or splits is None:
            unplanned.append(key)
        else:
            shapes[shape.name] = shape
            tasks.append(Task(request, experiment, dataset, spec, shape, splits))
    return tasks, unplanned, measured


def _shape(request: Request, spec: str) -> Shape | None:
    """Return the shape of an encoder, if it can be told."""
    try:
        return shape_of(request, spec)
    except SuiteError:
        return None


def _is_measured(trial: Context[Settings], *, digests: bool) -> bool:
    """Tell whether the stored result holds."""
    result = trial.store.load(trial.key)
    if result is None or not _has_same_inputs(trial, result):
        return False
    try:
        return not digests or trial.stored() is not None
    except SuiteError:
        return False


def _has_same_inputs(trial: Context[Settings], result: Result) -> bool:
    inputs: dict[str, object] = {
        "protocol": digest_of(trial.protocol()),
        "code": trial_code(trial.experiment.name),
        "seeds": list(trial.seeds),
        "device": trial.request.device,
    }
    if not trial.request.keep_other_environments:
        inputs["environment"] = environment_of(trial.request.device)
    return all(result.inputs.get(name) == value for name, value in inputs.items())


def _place(request: Request) -> Callable[[Job], int]:
    order = [request.key(*task) for task in request.tasks()]
    return lambda job: order.index(job.keys[0])


def _earlier(request: Request, job: Job) -> float | None:
    """Return seconds that the same trials took in this run folder, on this device, at the same size."""
    store, total = Store(request.run), 0.0
    for key in job.keys:
        result = store.load(key)
        is_comparable = result is not None and (
            result.facts.get("device") == request.device
            and result.protocol.get("limit") == request.limit
            and result.inputs.get("seeds") == list(request.seeds)
        )
        if result is None or not is_comparable:
            return None
        total += float(result.facts.get("seconds", 0.0))
    return total


def write_plan(
    request: Request,
    *,
    folder: Path | None = None,
    trials: Collection[str] | None = None,
    workers: int | None = None,
) -> None:
    """Plan a run that is about to start, by remembered rates and earlier results alone, into its folder.

    Args:
        request: what is asked for.
        folder: of the plan; None for the run folder.
        trials: that are to be run; None for all of the request.
        workers: processes, where the user names a number.

    Nothing is timed, and nothing is read for trials that are measured: a run is not to wait for its plan.

    Raises:
        StorageError: the folder cannot be written.
    """
    plan = forecast(request, digests=False, workers=workers)
    jobs = [
        {"trials": [str(key) for key in entry.job.keys], "seconds": entry.seconds, "basis": entry.basis or "unknown"}
        for entry in plan.entries
        if trials is None or str(entry.job.keys[0]) in trials
    ]
    save_plan(folder or request.run, jobs, processes=plan.processes)
