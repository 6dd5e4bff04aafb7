"""A shard of the main job: its trials, and no verdict, which is the whole run's (`suite.report.collect`)."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import ExitStack, suppress

from suite.core.files import write_atomically
from suite.core.locks import HeldError, locked
from suite.core.signals import terminated
from suite.core.text import now
from suite.experiments.forked import PRELOADED
from suite.report.digests import JUNIT
from suite.report.junit import Case, render_cases
from suite.reproduction.measure import measure
from suite.reproduction.reproduce import check_expected, numerics
from suite.results.store import Key, Store
from suite.run.attempts.attempt import attempt, interruption
from suite.run.execution import Execution
from suite.run.folder import LOCK, at_work, join_request
from suite.run.groups import ordered_groups
from suite.run.processes import start_server
from suite.run.request import Request
from suite.run.shards import Shard

LACKS = 2
"""Exit code where a trial of the shard has no result."""


def reproduce_shard(request: Request, shard: Shard, execution: Execution) -> int:
    """Measure a shard's trials, or reuse what is stored, into a run folder that other shards write at the same time.

    Returns:
        0 each of its trials has a result, 2 one has none; 130 interrupted, 143 terminated. Never 1: whether anything
        deviates is told by the whole, and nothing is gained by doing a shard again that deviates.

    Raises:
        RequestError: the folder is another request's.
        ExpectedError, StorageError: see `suite.reproduction.reproduce.reproduce`.
        BusyError: a command that shares the folder with nobody is at work in it.
    """
    with at_work(request.run, join=True, quiet=True), ExitStack() as stack:
        join_request(request, option="--shard")
        with suppress(HeldError):  # whoever asks for the state of the run sees by it that this shard is at work
            stack.enter_context(locked(shard.folder(request.run) / LOCK, quiet=True))
        trials = {trial for trials in shard.part(ordered_groups(request)) for trial in trials}
        keys = [key for key in (request.key(*task) for task in request.tasks()) if str(key) in trials]
        start = now()
        if keys:
            start_server(*PRELOADED)  # it imports what trials need while this process does
        environment = numerics(request)
        check_expected(request, environment)
        with attempt(request, environment=environment, folder=shard.folder(request.run)) as attempt_log:
            interrupted = bool(keys) and measure(request, execution, attempt_log=attempt_log)
            if interrupted or terminated():
                outcome, code = interruption()
            else:
                outcome, code = "finished", LACKS if attempt_log.lost else 0
            attempt_log.end(outcome, exit_code=code)
        cases = [_case(Store(request.run), key, attempt_log.lost) for key in keys]
        text = render_cases(f"{shard.title}: measured, not judged", start, cases)
        write_atomically(shard.folder(request.run) / JUNIT, text.encode("utf-8", "replace"))
    if interrupted:
        print("interrupted: finished results are kept; the same command goes on from here", file=sys.stderr)
    if not keys:
        groups = len(ordered_groups(request))
        print(f"{shard.title}: nothing to do: the request has {groups} groups of trials, fewer than shards")
    else:
        counts = f"{len(attempt_log.measured)} measured, {len(attempt_log.reused)} reused, {len(attempt_log.lost)} lost"
        trial_count = f"{len(keys)} trial{'s' if len(keys) > 1 else ''}"
        print(f"{shard.title}: {trial_count}: {counts}; python -m suite report {request.run} judges the whole")
        for case in cases:
            if case.reason is not None:
                print(f"not run: {case.name}: {case.reason}")
    return code


def _case(store: Store, key: Key, lost: Collection[str]) -> Case:
    """Return what became of a trial, for JUnit; a result of another time is none."""
    result = None if str(key) in lost else store.load(key)
    if result is None:
        return Case(key.experiment, str(key), 0.0, store.reasons().get(key, "no result was stored"))
    return Case(key.experiment, str(key), float(result.facts.get("seconds") or 0.0), None)
