"""A request as jobs with their durations: what a plan shows, and what a run's report is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from os import cpu_count

from suite.errors import SuiteError
from suite.experiments.families import family_of
from suite.experiments.trial import Trial
from suite.features import CACHE_BYTES
from suite.plan.counts import splits_of
from suite.plan.jobs import Job, Operation, Task
from suite.plan.rates import Rates, load_rates, processes_for, seconds_of
from suite.plan.record import save_plan
from suite.plan.shapes import Shape, shapes_of
from suite.plan.work import job_of
from suite.protocol import digest_of
from suite.provenance import trial_code
from suite.request import Request
from suite.results import Key, Result, Store


@dataclass(frozen=True)
class Entry:
    """A job to be done.

    Attributes:
        job: the work.
        seconds: of one process; None where unknown.
        basis: where they come from: `calibration`, `earlier run`, or empty.
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
    """What a request has to do.

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
        """Of one process, all that is known; None where nothing is."""
        known = [entry.seconds for entry in self.entries if entry.seconds is not None]
        return sum(known) if known or not self.entries else None

    @property
    def unknown(self) -> int:
        """Trials whose duration is unknown."""
        return sum(len(entry.job.keys) for entry in self.entries if entry.seconds is None) + len(self.unplanned)

    @property
    def hours(self) -> float | None:
        """On this device, with all processes."""
        return None if self.seconds is None else self.seconds / self.processes / 3600

    @property
    def disk_bytes(self) -> float:
        """Features, of which the cache keeps 4 GiB, and checkpoints."""
        kept = min(CACHE_BYTES, sum(entry.job.features_bytes for entry in self.entries))
        return kept + sum(entry.job.checkpoint_bytes for entry in self.entries)

    def operations(self) -> list[Operation]:
        """Everything whose rate is needed."""
        amounts = [each for entry in self.entries for each in (entry.job.steps, entry.job.reading)]
        return list({each for amount in amounts for each, count in amount.items() if count})


def forecast(request: Request, *, read: bool = True, workers: int | None = None) -> Forecast:
    """Count what is to be done, and time it by the rates that are remembered.

    Args:
        request: what is asked for.
        read: look into the files of the data and the weights; False costs no time.
        workers: processes, where the user names a number.
    """
    shapes = shapes_of(request, read=read)
    tasks, unplanned, measured = _tasks(request, shapes, read=read)
    jobs = [job_of(group) for group in _together(tasks)]
    processes = processes_for(request.device, sum(len(job.keys) for job in jobs) + len(unplanned), workers)
    rates = load_rates(request.cache, request.device, _threads(processes))
    named = {shape.name: shape for shape in shapes.values()}
    made = Forecast(request, [], measured, unplanned, processes, rates, named)
    made.entries.extend(Entry(job, None, "") for job in sorted(jobs, key=_place(request)))
    return timed(made)


def timed(made: Forecast) -> Forecast:
    """The same forecast with durations, by rates or by earlier results of the run folder."""
    threads = _threads(made.processes)
    entries = []
    for entry in made.entries:
        seconds = seconds_of(entry.job, made.rates, device=made.request.device, threads=threads)
        basis = "" if seconds is None else "calibration"
        if seconds is None:
            seconds = _earlier(made.request, entry.job)
            basis = "" if seconds is None else "earlier run"
        entries.append(Entry(entry.job, seconds, basis))
    made.entries[:] = entries
    return made


def threads_of(made: Forecast) -> int:
    """Threads of each process."""
    return _threads(made.processes)


def _threads(processes: int) -> int:
    return max(1, (cpu_count() or 1) // processes)


def _tasks(request: Request, shapes: dict[str, Shape], *, read: bool) -> tuple[list[Task], list[Key], list[Key]]:
    """Tasks to be done, trials that cannot be counted, trials that are measured."""
    tasks, unplanned, measured = [], [], []
    for (experiment, dataset), group in groupby(request.tasks(), key=lambda task: task[:2]):
        splits = splits_of(request, experiment, dataset, read=read)
        for _, _, spec in group:
            key = request.key(experiment, dataset, spec)
            if _is_measured(Trial(request, experiment, dataset, spec), read=read):
                measured.append(key)
            elif splits is None or spec not in shapes:
                unplanned.append(key)
            else:
                tasks.append(Task(request, experiment, dataset, spec, shapes[spec], splits))
    return tasks, unplanned, measured


def _is_measured(trial: Trial, *, read: bool) -> bool:
    """Whether the stored result holds; with `read`, weights and data are held against it too, as the run will."""
    stored = trial.store.load(trial.key)
    if stored is None or not _alike(trial, stored):
        return False
    try:
        return not read or trial.store.fresh(trial.key, trial.inputs()) is not None
    except SuiteError:
        return False


def _alike(trial: Trial, stored: Result) -> bool:
    expected = {
        "protocol": digest_of(trial.protocol()),
        "code": trial_code(trial.experiment.name),
        "seeds": list(trial.seeds),
        "device": trial.request.device,
    }
    return all(stored.inputs.get(name) == value for name, value in expected.items())


def _together(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Segmentation trials of one encoder on the same images as one group; every other trial alone.

    Sets of a family are taken to be of the same images if they are as many. Tests run in the order of their pages'
    names, so the first of a group, which a report books the time under, is the first by experiment.
    """
    groups: dict[object, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.experiment.name):
        family = family_of(task.dataset) if "crop_px" in task.experiment.parameters else None
        images = tuple(split.views for split in task.splits.values())
        groups.setdefault(task.key if family is None else (family, task.spec, images), []).append(task)
    yield from groups.values()


def _place(request: Request) -> Callable[[Job], int]:
    order = [request.key(*task) for task in request.tasks()]
    return lambda job: order.index(job.keys[0])


def _earlier(request: Request, job: Job) -> float | None:
    """Seconds that the same trials took in this run folder, on this device, at the same size."""
    store, total = Store(request.run), 0.0
    for key in job.keys:
        result = store.load(key)
        same = result is not None and (
            result.facts.get("device") == request.device
            and result.protocol.get("limit") == request.limit
            and result.inputs.get("seeds") == list(request.seeds)
        )
        if result is None or not same:
            return None
        total += float(result.facts.get("seconds", 0.0))
    return total


def write_plan(request: Request, *, workers: int | None = None) -> None:
    """Plan a run that is about to start, by remembered rates and earlier results alone, into its folder.

    Nothing is timed, and no large file is read: a run is not to wait for its plan.

    Raises:
        StorageError: the folder cannot be written.
    """
    made = forecast(request, read=False, workers=workers)
    jobs = [
        {"trials": [str(key) for key in entry.job.keys], "seconds": entry.seconds, "basis": entry.basis or "unknown"}
        for entry in made.entries
    ]
    save_plan(request.run, jobs, processes=made.processes)
