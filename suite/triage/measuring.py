"""Measurement of what is tried: ordinary trials in processes of their own, the cheapest first, until time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.experiments.context import Context, load
from suite.plan.forecast import forecast
from suite.reproduction.trials import Trials
from suite.results.store import Key, Store
from suite.run.calls import call
from suite.run.execution import Execution
from suite.run.groups import groups_of, ordered_groups, processes_for
from suite.run.progress import Progress
from suite.run.request import Request
from suite.triage.tries import ACTS, Try


@dataclass(frozen=True)
class Clock:
    """End of the time in which trials may begin; `until` is of `time.monotonic`."""

    until: float = math.inf

    @classmethod
    def of(cls, seconds: float | None) -> Clock:
        """Start the clock; None for ever."""
        return cls() if seconds is None else cls(time.monotonic() + seconds)

    @property
    def is_up(self) -> bool:
        """Whether no trial may begin any more."""
        return time.monotonic() >= self.until


class _Timed(Trials):
    """Trials that stop beginning when time is up."""

    clock = Clock()

    def wanted(self, job: Any) -> bool:
        """Tell whether a job is still to begin; one that is not leaves no note, as the same command goes on with it."""
        return not self.clock.is_up and super().wanted(job)


def cheapest_first(tries: Sequence[Try], request: Request) -> list[Try]:
    """Order tries by the planned seconds of their trials; among equals what needs no forward pass of its own first.

    A trial costs what it costs without a factor in it, so one plan of the run's own trials serves for all.
    """
    seconds = call(planned_seconds, request) if tries else {}

    def place(one: Try) -> tuple[float, int]:
        return sum(seconds.get(key, 0.0) for key in one.keys), ACTS.index(one.acts)

    return sorted(tries, key=place)


def planned_seconds(request: Request) -> dict[Key, float]:
    """Plan every trial of a run once more; those of unknown duration are left out."""
    again = replace(request, factors={"precision": "float64"})  # else they are there already
    plan = forecast(again, digests=False)
    return {
        key: entry.seconds / len(entry.job.keys)
        for entry in plan.entries
        if entry.seconds is not None
        for key in entry.job.keys
    }


def stored(tries: Sequence[Try], request: Request) -> set[tuple[str, Key]]:
    """Tell which trials need not be measured: label and trial; loads encoders, so in a process of its own."""
    exact_convolutions()
    held = set()
    for one in tries:
        own, wanted = one.request(request), {*one.trials(request).values()}
        tasks = [task for task in own.tasks() if own.key(*task) in wanted]
        has_file = [task for task in tasks if Store(own.run).path(own.key(*task)).exists()]
        contexts: list[Context[Any]] = [Context(own, *task) for task in has_file]
        held |= {(one.label, context.key) for context in contexts if context.stored() is not None}
        load.cache_clear()  # encoders with factors in them are each another one
    return held - {(one.label, key) for one in tries for key in Store(one.request(request).run).reasons()}


def measure(
    one: Try,
    request: Request,
    environment: Mapping[str, Any],
    *,
    held: Collection[tuple[str, Key]],
    execution: Execution,
    clock: Clock,
    say: Callable[[str], None],
) -> None:
    """Measure the trials of a try that are not stored yet; what time does not allow is not begun.

    Args:
        one: what is tried.
        request: of the run.
        environment: that results depend on.
        held: what is stored, see `stored`.
        execution: how it is carried out.
        clock: when no trial may begin any more.
        say: told of what is about to be done.

    Raises:
        KeyboardInterrupt: on SIGINT or SIGTERM; what is stored stays.
        StorageError: the folder cannot be written.
    """
    own = one.request(request)
    wanted = {str(key) for key in one.trials(request).values() if (one.label, key) not in held}
    if not wanted or clock.is_up:
        return
    groups = [[trial for trial in group if trial in wanted] for group in ordered_groups(own)]
    groups = [group for group in groups if group]
    keys = [key for key in (own.key(*task) for task in own.tasks()) if str(key) in wanted]
    processes = processes_for(request, len(set(groups_of(request).values())), execution.workers)
    say(f"{one.label}: {len(keys)} trial{'s' if len(keys) > 1 else ''}")
    progress = Progress(keys)
    trials = _Timed(
        own,
        execution,
        progress,
        environment,
        groups=groups,
        processes=min(processes, len(groups)),
        threads=max(1, usable_processors() // processes),
    )
    trials.clock = clock
    try:
        trials.run()
    finally:
        progress.close()
