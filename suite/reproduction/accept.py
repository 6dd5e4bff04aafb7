"""Job of `make accept`: freeze a run's values, so that later runs on such a device are held against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.cells import CellId, method_names
from suite.core.files import write_atomically
from suite.core.numerics import device_model, differences
from suite.core.paths import EXPECTED
from suite.core.text import now
from suite.errors import RequestError
from suite.reference.accepted import FOLDER, SLACK, SLACK_REASON, AcceptedRun, file_of, load
from suite.reference.frozen import commit_of, deviation, table
from suite.report.contributions import contributions
from suite.results.store import Result, Store
from suite.run.run_file import read_run


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
    accepted = read_accepted(run, reason=reason, folder=folder)
    previous = load(folder, accepted.profile, accepted.device)
    lost_cells = [] if previous is None else sorted(previous.cells.keys() - accepted.cells.keys())
    if lost_cells and not diff:
        raise RequestError(
            f"{run}: {accepted.path} holds {len(lost_cells)} cells that this run lacks, {lost_cells[0]} first: "
            "run them too, or remove the file"
        )
    changes = describe(previous, accepted)
    if diff:
        print(changes or f"{accepted.path}: nothing would change")
        return int(bool(changes))
    print(changes or f"{accepted.path}: no value changed")
    write_atomically(accepted.path, accepted.content())
    count = len(accepted.cells)
    print(f"accepted {count} cells in {accepted.path}: later runs on {accepted.device} are held against them")
    return 0


def read_accepted(run: Path, *, reason: str, folder: Path) -> AcceptedRun:
    """Read what would be accepted of a run, if it can be; see `accept_run`."""
    record = read_run(run)
    request = record["asked"]
    if record["finished"] is None:
        raise RequestError(f"{run}: not finished: run it again, it goes on from where it was")
    if request["limit"] is not None or request["variants"]:
        raise RequestError(f"{run}: expected the whole protocol, got {deviation(request)}: run it without")
    methods = {*method_names(request["encoders"]).values()}
    results = [
        result
        for result in Store(run).results()
        if (result.key.method in methods and result.key.experiment in request["experiments"])
        and result.key.dataset in request["datasets"]
        and result.values
    ]
    cells = {m.id: m for result in results for m in result.measurements()}
    missing_cells = [text for text in request["cells"] if CellId.parse(text) not in cells]
    if missing_cells or not cells:
        raise RequestError(
            f"{run}: incomplete: {len(missing_cells)} cells did not run, {(missing_cells or ['all'])[0]} first"
        )
    environment = _environment(run, results)
    device = device_model(environment)
    return AcceptedRun(
        path=file_of(folder, request["profile"], device),
        profile=request["profile"],
        device=device,
        command=request["command"],
        commit=commit_of(results),
        date=now()[:10],
        reason=reason,
        seeds=tuple(request["seeds"]),
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


def describe(previous: AcceptedRun | None, accepted: AcceptedRun) -> str:
    """Describe changes from one accepted run to another; empty where no value and no fact of its making changes."""
    old_values = (
        {} if previous is None else {str(cell): {"values": list(m.values)} for cell, m in previous.cells.items()}
    )
    new_values = {str(cell): {"values": list(m.values)} for cell, m in accepted.cells.items()}
    if previous is None:
        return f"new: {len(new_values)} cells\n" + table(old_values, new_values)
    lines = [
        f"{name}: {getattr(previous, name)} -> {getattr(accepted, name)}"
        for name in ("commit", "seeds", "slack")
        if getattr(previous, name) != getattr(accepted, name)
    ]
    lines += [f"environment: {difference}" for difference in differences(accepted.environment, previous.environment)]
    value_table = table(old_values, new_values)
    return "\n".join([*lines, value_table] if value_table else lines)
