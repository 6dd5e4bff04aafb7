"""Trials of a run, group by group, each group in a process of its own; what becomes of the trials of one that dies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.core.files import write_atomically
from suite.core.source_code import trial_code
from suite.errors import StorageError
from suite.experiments.forked import BEGAN, ENDED, HELD, Turn, run_trials
from suite.results.store import Key, Store
from suite.run.execution import Execution
from suite.run.folder import lock_of
from suite.run.processes import End, Job, run_jobs
from suite.run.progress import Progress
from suite.run.request import Request


@dataclass
class _Attempted:
    """Trials that one process is to run.

    Attributes:
        remaining: names of those that have not ended, in order.
        current: the one that has begun and not ended.
        stored: what was stored of it when it began.
        ended: how many have.
        options: of this process alone: `--stored-only`, `--pass-size=N`.
        is_held: whether another run in the folder is at them.
    """

    remaining: list[str]
    options: tuple[str, ...] = ()
    current: str | None = None
    stored: bytes | None = None
    ended: int = 0
    is_held: bool = False


class Trials:
    """Trials of a request, all of them or a shard's.

    A trial whose process dies is not run, with the cause as its reason, and nothing else is lost by it: the rest of its
    group goes on in a new process. Where memory was short, it is tried once more at the end, with nothing beside it and
    half as many images in a forward pass.

    Where other runs work in the folder, a group is one run's at a time: its process holds a lock, which ends with it.
    Whoever finds it held does all else first, then waits, and takes the results that are there then; where there are
    none, since the other has died, they are measured here. On a disk without locks a group may be measured twice.
    """

    def __init__(
        self,
        request: Request,
        execution: Execution,
        progress: Progress,
        environment: Mapping[str, Any],
        *,
        groups: Sequence[Sequence[str]],
        processes: int,
        threads: int,
    ) -> None:
        """Take over a request, or a part of it.

        Args:
            request: what is asked for.
            execution: how it is carried out.
            progress: told of every trial, once.
            environment: that results depend on (`suite.core.numerics.environment_of`).
            groups: the trials that are to be run, group by group.
            processes: so many at the same time.
            threads: of each.
        """
        self.request = request
        self.progress = progress
        self.environment = environment
        self.processes = processes
        self.threads = threads
        self.max_crashes = execution.max_crashes
        self.joins = execution.joins
        self.folder = execution.folder(request.run)
        self.store = Store(request.run)
        self.keys: dict[str, Key] = {str(request.key(*task)): request.key(*task) for task in request.tasks()}
        self.group_of = {trial: tuple(trials) for trials in groups for trial in trials}
        self.attempted: dict[Job, _Attempted] = {}
        self.stale: list[str] = []
        self.short: dict[str, str] = {}
        self.crashes = 0
        self.log: list[bytes] = []

    def run(self) -> None:
        """Run them all.

        Raises:
            KeyboardInterrupt: on SIGINT or SIGTERM.
            StorageError: the run folder cannot be written, or the disk is full.
        """
        groups = list(dict.fromkeys(self.group_of.values()))
        stored = [trials for trials in groups if all(map(self._may_hold, trials))]
        # what is reused takes no time, so one process looks through many groups; what it finds stale comes after it
        bundles = [[trial for trials in stored[n :: self.processes] for trial in trials] for n in range(self.processes)]
        jobs = [self._job(f"stored results {n}", trials, "--stored-only") for n, trials in enumerate(bundles) if trials]
        jobs += self._jobs([trials for trials in groups if trials not in stored])
        run_jobs(jobs, run_trials, self, processes=self.processes)
        size = self.request.profile.settings.batch_size
        smaller = max(1, min(size, self.request.forward_batch_size or size) // 2)
        for trial in list(self.short):
            alone = self._job(f"{trial} again", [trial], f"--pass-size={smaller}")
            run_jobs([alone], run_trials, self, processes=1)

    def wanted(self, job: Job) -> bool:
        """Tell whether a job is still to begin."""
        if self.max_crashes is None or self.crashes < self.max_crashes:
            return True
        for trial in self.attempted[job].remaining:
            self._lose(trial, f"not started: {self.crashes} processes had died (--max-crashes {self.max_crashes})")
        return False

    def message(self, job: Job, message: Any) -> None:
        """Take in what happens to a trial.

        Raises:
            StorageError: its result cannot be stored.
        """
        attempted = self.attempted[job]
        match message:
            case (str() as word, str() as trial) if word == BEGAN:
                attempted.current, attempted.stored = trial, self._stored(trial)
            case (str() as word, str() as trial, bool() as passed, dict() as facts, list() as warnings) if (
                word == ENDED
            ):
                attempted.current = None
                attempted.ended += 1
                attempted.remaining.remove(trial)
                if "storage_error" in facts:
                    raise StorageError(facts["storage_error"])
                if "stale" in facts:
                    self.stale.append(trial)
                elif "out_of_memory" in facts and trial not in self.short:
                    self.short[trial] = facts["out_of_memory"]
                else:
                    self.progress.note(trial, facts, passed=passed, warnings=warnings)
            case (str() as word, str() as holders) if word == HELD:
                attempted.is_held = True
                self.progress.say(f"{job.name}: {holders} is at it; its result is waited for")

    def ended(self, job: Job, end: End) -> Iterable[Job]:
        """Take in the end of a process; return the groups to be run because of it.

        Raises:
            StorageError: the run folder cannot be written.
        """
        self._log(job, end)
        attempted = self.attempted.pop(job)
        if attempted.is_held:
            return [self._job(job.name, attempted.remaining, *attempted.options, wait=True)]
        again = self._without_end(attempted, end) if attempted.remaining else []
        more = [self._job(f"{job.name}, the rest", again, *attempted.options)] if again else []
        stale, self.stale = self.stale, []
        groups: dict[tuple[str, ...], list[str]] = {}
        for trial in stale:
            groups.setdefault(self.group_of[trial], []).append(trial)
        return more + self._jobs(groups.values())

    def _without_end(self, attempted: _Attempted, end: End) -> list[str]:
        """Lose what a process did not end because of itself; return the rest, to be run by another one."""
        self.crashes += not end.finished
        cause = end.cause
        if end.finished:
            lines = end.output.decode(errors="replace").split("\n")
            cause = (
                f"pytest could not run it: {next((line for line in reversed(lines) if line.strip()), 'no word why')}"
            )
        if attempted.current is None and attempted.ended:
            return attempted.remaining  # it died between two trials
        if attempted.current is not None and self._stored(attempted.current) != attempted.stored:
            return attempted.remaining  # it died after it had stored the result, which is there to be reused
        lost = [attempted.current] if attempted.current is not None else list(attempted.remaining)
        for trial in lost:
            attempted.remaining.remove(trial)
            if end.short_of_memory and trial not in self.short:
                self.short[trial] = cause
            else:
                first = self.short.get(trial)
                self._lose(trial, f"{cause}; before, with twice the images a pass: {first}" if first else cause)
        return attempted.remaining

    def _stored(self, trial: str) -> bytes | None:
        try:
            return self.store.path(self.keys[trial]).read_bytes()
        except OSError:
            return None

    def _lose(self, trial: str, reason: str) -> None:
        self.store.mark_not_run(self.keys[trial], reason)
        self.progress.note(trial, {}, passed=False)

    def _jobs(self, groups: Iterable[Sequence[str]]) -> list[Job]:
        """Return a job for each group, those of most trials first."""
        return [self._job(", ".join(trials), trials) for trials in sorted(groups, key=lambda trials: -len(trials))]

    def _job(self, name: str, trials: Sequence[str], *options: str, wait: bool = False) -> Job:
        measures = self.joins and "--stored-only" not in options
        turn = Turn(lock_of(self.request.run, self.group_of[trials[0]]), wait) if measures else None
        job = Job(name, ((*self.request.arguments(), *options), tuple(trials), self.threads, turn))
        self.attempted[job] = _Attempted(list(trials), options)
        return job

    def _log(self, job: Job, end: End) -> None:
        told = "" if end.finished else f": {end.cause}"
        self.log.append(f"=== {job.name}{told}\n".encode() + end.output.rstrip() + b"\n\n")
        write_atomically(self.folder / "pytest.log", b"".join(self.log))

    def _may_hold(self, trial: str) -> bool:
        """Tell whether a stored result may be reused, as far as can be told without reading weights and data."""
        result = self.store.load(self.keys[trial])
        if result is None:
            return False
        inputs: dict[str, Any] = {"code": trial_code(result.key.experiment)}
        if not self.request.keep_other_environments:
            inputs["environment"] = self.environment
        return all(result.inputs.get(name) == value for name, value in inputs.items())
