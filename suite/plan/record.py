"""A plan in the run folder, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.core.files import write_json
from suite.core.forms import Each, Form, Tell, read_if_whole, warn
from suite.run.shards import shards_of

FILE = "plan.json"
FORM: Form = {"jobs": Each({"trials": "a list of texts", "seconds": "a number >= 0 or null"})}
Json = dict[str, Any]


def save_plan(run: Path, jobs: Sequence[Json], *, processes: int) -> None:
    """Write `plan.json`.

    Args:
        run: the run folder.
        jobs: `trials` (`experiment/dataset/method`), `seconds` of one process or None, and their `basis`.
        processes: that the plan counts on.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_json(run / FILE, {"processes": processes, "jobs": list(jobs)})


def planned_jobs(run: Path, tell: Tell = warn) -> list[Json] | None:
    """Read the jobs of a run's plan, and of its shards'; None where there is none that can be read."""
    paths = [run / FILE, *(shard.folder(run) / FILE for shard in shards_of(run))]
    plans = [read_if_whole(path, FORM, "a plan", tell, place=path.relative_to(run).as_posix()) for path in paths]
    jobs = [job for plan in plans if plan is not None for job in plan["jobs"]]
    return jobs if any(plan is not None for plan in plans) else None


def against_actual(run: Path, costs: Sequence[Mapping[str, Any]], tell: Tell = warn) -> list[Json] | None:
    """Compare seconds planned and measured, by experiment; None where the run has no plan that can be read.

    Jobs that are compared are those with a planned duration, all of whose trials were measured in this attempt.

    Args:
        run: the run folder.
        costs: of a report: experiment, dataset, method, seconds, reused.
        tell: receives what is wrong with the plan.
    """
    jobs = planned_jobs(run, tell)
    if jobs is None:
        return None
    planned = [(job["trials"], job["seconds"]) for job in jobs if job["trials"]]
    durations = {
        f"{cost['experiment']}/{cost['dataset']}/{cost['method']}": cost["seconds"]
        for cost in costs
        if not cost["reused"] and cost["seconds"] is not None
    }
    rows: dict[str, Json] = {}
    for trials, seconds in planned:
        name = trials[0].partition("/")[0]
        row = rows.setdefault(
            name, {"experiment": name, "trials": 0, "planned_s": 0.0, "measured_s": 0.0, "unknown": 0}
        )
        if seconds is None or not all(trial in durations for trial in trials):
            row["unknown"] += len(trials)
            continue
        row["trials"] += len(trials)
        row["planned_s"] += seconds
        row["measured_s"] += sum(durations[trial] for trial in trials)
    for row in rows.values():
        is_comparable = row["trials"] and row["planned_s"] > 0
        row["ratio"] = round(row["measured_s"] / row["planned_s"], 3) if is_comparable else None
        row |= {key: round(row[key], 3) for key in ("planned_s", "measured_s")}
    return list(rows.values())
