"""State of a run while it works: groups of trials that are done, run, are lost or wait, and the time left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from suite.core.locks import holders_of, is_of_here
from suite.core.text import duration
from suite.plan.record import planned_jobs
from suite.report.shards import Part, parts_of, reasons_of
from suite.results.store import Key, Store
from suite.run.attempts.history import NO_END
from suite.run.folder import LOCK, lock_of
from suite.run.run_file import read_run

STATES = ("done", "running", "lost", "perhaps running", "waiting")
"""States of a group; whether one runs cannot be told where a disk has no locks, or of another machine's process."""


@dataclass(frozen=True)
class Group:
    """Trials that one process runs together.

    Attributes:
        trials: by their names.
        state: one of `STATES`.
        detail: who runs it, or why it is lost; empty otherwise.
        seconds: that it takes one process, as planned or as others of its kind took; None where that is unknown.
    """

    trials: tuple[str, ...]
    state: str
    detail: str
    seconds: float | None


def status(run: Path) -> str:
    """Describe the state of a run folder, which others may write at the same time; nothing in it is touched.

    Raises:
        RequestError: the folder holds no run.
    """
    record = read_run(run)
    cells = dict.fromkeys("/".join(cell.split("/")[:3]) for cell in record["asked"]["cells"])
    groups = [tuple(trials) for trials in record.get("groups") or [[trial] for trial in cells]]
    parts = parts_of(run)
    states = [*_groups(run, groups, parts)]
    counts = [(state, sum(group.state == state for group in states)) for state in STATES]
    shown = [f"{count} {state}" for state, count in counts if count or state != "perhaps running"]
    lines = [f"{run}: {len(states)} groups of trials: {', '.join(shown)}", _time_left(states, parts)]
    for state in ("running", "perhaps running", "lost"):
        lines += [
            f"{state}: {', '.join(group.trials)}{f': {group.detail}' if group.detail else ''}"
            for group in states
            if group.state == state
        ]
    return "\n".join(lines)


def _groups(run: Path, groups: Sequence[tuple[str, ...]], parts: Sequence[Part]) -> Iterator[Group]:
    store = Store(run)
    notes = {str(key): reason for key, reason in store.reasons().items()}
    loaded = {str(key): store.load(key) for key in [*store.keys()]}
    stored = {trial: result for trial, result in loaded.items() if result is not None and trial not in notes}
    seconds = {trial: float(result.facts.get("seconds") or 0.0) for trial, result in stored.items()}
    expected = _expected_seconds(run, groups, seconds)
    fates = reasons_of(parts)
    at_work = {part.shard: bool(holders_of(part.shard.folder(run) / LOCK)) for part in parts}
    whole_is_at_work = not parts and bool(holders_of(run / LOCK, ask=False))
    for trials in groups:
        own_parts = [part for part in parts if part.trials.issuperset(trials)]
        missing = [trial for trial in trials if trial not in stored]
        holders = holders_of(lock_of(run, trials))
        state, detail = "waiting", ""
        if not missing:
            state = "done"
        elif holders:
            state, detail = "running", holders
        elif any(trial in notes for trial in missing):
            state, detail = "lost", next(notes[trial] for trial in missing if trial in notes)
        elif any(at_work[part.shard] for part in own_parts) or whole_is_at_work:
            pass
        elif any(_may_run(run, part) for part in own_parts):
            state, detail = "perhaps running", fates[missing[0]]
        elif any(part.attempts or part.exit_codes for part in own_parts):
            state, detail = "lost", fates[missing[0]]
        yield Group(trials, state, detail, expected.get(trials))


def _may_run(run: Path, part: Part) -> bool:
    """Tell whether an attempt at a shard has begun and no end is known; one of this machine would hold a lock."""
    if is_of_here(part.shard.folder(run) / LOCK):
        return False
    return bool(part.attempts) and part.attempts[-1]["outcome"] == NO_END and len(part.exit_codes) < len(part.attempts)


def _expected_seconds(
    run: Path, groups: Sequence[tuple[str, ...]], seconds: Mapping[str, float]
) -> dict[tuple[str, ...], float]:
    """Return seconds of each group: as planned, else as groups of the same experiments and datasets took."""
    planned = {job["trials"][0]: job["seconds"] for job in planned_jobs(run) or [] if job["trials"]}
    measured: dict[frozenset[tuple[str, str]], list[float]] = {}
    for trials in groups:
        if all(trial in seconds for trial in trials):
            measured.setdefault(_kind(trials), []).append(sum(seconds[trial] for trial in trials))
    expected = {}
    for trials in groups:
        plans = [planned[trial] for trial in trials if planned.get(trial) is not None]
        durations = measured.get(_kind(trials))
        if durations:
            expected[trials] = fmean(durations)
        elif plans:
            expected[trials] = sum(plans)
    return expected


def _kind(trials: Sequence[str]) -> frozenset[tuple[str, str]]:
    keys = (Key(*trial.split("/", 2)) for trial in trials)
    return frozenset((key.experiment, key.dataset) for key in keys)


def _time_left(groups: Sequence[Group], parts: Sequence[Part]) -> str:
    """Write what is left: of one process, and until the last shard ends where all work at once."""
    left = [group for group in groups if group.state != "done"]
    known = [group for group in left if group.seconds is not None]
    if not left:
        return "time left: none"
    unknown = f"; {len(left) - len(known)} of {len(left)} groups of unknown length" if len(known) < len(left) else ""
    if not known:
        return f"time left: unknown: no group was planned or measured yet{unknown}"
    total = sum(group.seconds or 0.0 for group in known)
    loads = [sum(group.seconds or 0.0 for group in known if part.trials.issuperset(group.trials)) for part in parts]
    longest = f", at most {duration(max(loads))} with all shards at work" if loads else ""
    return f"time left: {duration(total)} of one process{longest}{unknown}"
