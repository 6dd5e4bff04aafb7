"""Job of `make accept`: freeze a run's values, so that later runs on such a device are held against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.cells import CellId, method_name
from suite.core.files import write_atomically
from suite.core.numerics import device_model, differences
from suite.core.paths import EXPECTED
from suite.core.text import now
from suite.errors import RequestError
from suite.reference.accepted import SLACK, SLACK_REASON, AcceptedRun, file_of, load
from suite.reference.frozen import commit_of, deviation, table
from suite.report.collect import read_run
from suite.report.contributions import contributions
from suite.results.store import Result, Store

FOLDER = "accepted"


def accept_run(run: Path, *, reason: str, diff: bool = False, folder: Path | None = None) -> int:
    """Freeze a run's values as those of its device, or say what that would change.

    Args:
        run: a finished run folder.
        reason: why these values are to be held against; kept with them.
        diff: only say what would change.
        folder: where accepted runs are kept; default: `expected/accepted`.

    Returns:
        0; with `diff` 1 if anything would change.

    Raises:
        RequestError: the run is limited, of other variants, incomplete, of several environments, or lacks cells that
            were accepted before.
        ExpectedError: what was accepted before breaks its schema.
        StorageError: the file cannot be written.
    """
    folder = folder or EXPECTED / FOLDER
    made = read_accepted(run, reason=reason, folder=folder)
    before = load(folder, made.profile, made.device)
    lost = [] if before is None else sorted(before.cells.keys() - made.cells.keys())
    if lost and not diff:
        raise RequestError(
            f"{run}: {made.path} holds {len(lost)} cells that this run lacks, {lost[0]} first: run them too, or remove "
            "the file"
        )
    changes = describe(before, made)
    if diff:
        print(changes or f"{made.path}: nothing would change")
        return int(bool(changes))
    print(changes or f"{made.path}: no value changed")
    write_atomically(made.path, made.content())
    print(f"accepted {len(made.cells)} cells in {made.path}: later runs on {made.device} are held against them")
    return 0


def read_accepted(run: Path, *, reason: str, folder: Path) -> AcceptedRun:
    """Read what would be accepted of a run, if it can be; see `accept_run`."""
    record = read_run(run)
    asked = record["asked"]
    if record["finished"] is None:
        raise RequestError(f"{run}: not finished: run it again, it goes on from where it was")
    if asked["limit"] is not None or asked["variants"]:
        raise RequestError(f"{run}: expected the whole protocol, got {deviation(asked)}: run it without")
    methods = {method_name(spec) for spec in asked["encoders"]}
    results = [
        result
        for result in Store(run).results()
        if (result.key.method in methods and result.key.experiment in asked["experiments"])
        and result.key.dataset in asked["datasets"]
        and result.values
    ]
    cells = {m.id: m for result in results for m in result.measurements()}
    missing = [text for text in asked["cells"] if CellId.parse(text) not in cells]
    if missing or not cells:
        raise RequestError(f"{run}: incomplete: {len(missing)} cells did not run, {(missing or ['all'])[0]} first")
    environment = _environment(run, results)
    device = device_model(environment)
    return AcceptedRun(
        path=file_of(folder, asked["profile"], device),
        profile=asked["profile"],
        device=device,
        command=asked["command"],
        commit=commit_of(results),
        date=now()[:10],
        reason=reason,
        seeds=tuple(asked["seeds"]),
        environment=environment,
        slack=SLACK,
        slack_reason=SLACK_REASON,
        cells=cells,
    )


def _environment(run: Path, results: Sequence[Result]) -> dict[str, Any]:
    """Return the one environment of all results."""
    entries = contributions(results, {})
    if any(entry["noted_in"] != "inputs" for entry in entries):
        raise RequestError(f"{run}: its results are older than the note of their environment: run it again")
    if len(entries) > 1:
        first, other = (entry["facts"] for entry in entries[:2])
        raise RequestError(
            f"{run}: expected results of one environment, got {len(entries)}, which differ in "
            f"{'; '.join(differences(other, first))}: run it again without --keep-other-environments"
        )
    return dict(entries[0]["facts"])


def describe(before: AcceptedRun | None, after: AcceptedRun) -> str:
    """Describe changes from one accepted run to another; empty where no value and no fact of its making changes."""
    old = {} if before is None else {str(cell): {"values": list(m.values)} for cell, m in before.cells.items()}
    new = {str(cell): {"values": list(m.values)} for cell, m in after.cells.items()}
    if before is None:
        return f"new: {len(new)} cells\n" + table(old, new)
    lines = [
        f"{name}: {getattr(before, name)} -> {getattr(after, name)}"
        for name in ("commit", "seeds", "slack")
        if getattr(before, name) != getattr(after, name)
    ]
    lines += [f"environment: {said}" for said in differences(after.environment, before.environment)]
    changed = table(old, new)
    return "\n".join([*lines, changed] if changed else lines)
