"""Changes between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from suite.cells import CellId
from suite.core.files import Json
from suite.core.forms import warn
from suite.core.text import duration, number, signed
from suite.judge.changes import Changes, changes
from suite.judge.items import Items
from suite.report import summary
from suite.report.facts import flatten, request
from suite.report.files import load
from suite.report.paired_changes import HEADS, row, sentences
from suite.results.store import Result, Store

Cells = Mapping[str, Json]
NAMES_OF_A_RUN = ("run", "command", "started")


@dataclass(frozen=True)
class ReportedRun:
    """A run as it is reported, and the scores of its single items."""

    report: Json
    items: Items


def reported_run(folder: Path) -> ReportedRun:
    """Read a run folder; a report that is not of the results beside it is told of with a warning.

    Raises:
        EvidenceError: its results were altered since they were stored.
        RequestError: a folder without a report, or a file that is not one.
    """
    store = Store(folder)
    results = list(store.results())
    report = load(folder)
    if names := _other_cells(results, report):
        warn(
            f"{folder}: {len(names)} cells of its report are not what its results are, {names[0]} first: run "
            f"python -m suite verify {folder}"
        )
    return ReportedRun(report, Items(store, results))


def compare_runs(a: Path, b: Path) -> tuple[str, int]:
    """Compare two run folders, as they are reported; see `reported_run`, `compare` and `exit_code`."""
    first, second = reported_run(a), reported_run(b)
    text = compare(first.report, second.report, changes_between(first, second))
    return text, exit_code(first.report, second.report)


def changes_between(a: ReportedRun, b: ReportedRun) -> Changes:
    """Compare image by image what both runs have measured."""
    names = [[c["id"] for c in run.report["cells"] if c["measured"] is not None] for run in (a, b)]
    return changes(a.items, b.items, [CellId.parse(name) for name in names[0] if name in {*names[1]}])


def _other_cells(results: Iterable[Result], report: Json) -> list[str]:
    """Name the cells of a report whose values are not those of the results beside it."""
    measured_values = {str(m.id): (m.mean, list(m.values)) for result in results for m in result.measurements()}
    return [
        name
        for name, values in _values(report).items()
        if values[0] is not None and measured_values.get(name, values) != values
    ]


def exit_code(a: Json, b: Json) -> int:
    """Return 0 if both reports hold the same cells with the same values, 1 if not, 2 if nothing was measured in either.

    Verdicts do not matter here.
    """
    if _value_count(a) == _value_count(b) == 0:
        return 2
    return int(_values(a) != _values(b))


def _value_count(report: Json) -> int:
    return sum(cell["measured"] is not None for cell in report["cells"])


def compare(a: Json, b: Json, changes: Changes | None = None) -> str:
    """Say in plain text what changed from `a` to `b`: cells, claims, environment, protocol, cost.

    Args:
        a: the report to compare with.
        b: the newer report.
        changes: the same cells image by image; None where nobody looked.

    Returns:
        Sections of what changed; for runs that agree in everything but time, one line.
    """
    sections = [
        ("Verdict", _verdict(a, b)),
        ("Cells", _cells(a, b, changes)),
        ("Claims", _claims(a, b)),
        ("Asked for", _facts(_request(a), _request(b))),
        ("Environment", _facts(a["environment"], b["environment"])),
        ("Protocol", _facts(a["protocol"], b["protocol"])),
    ]
    changed_sections = [f"{title}\n{text}" for title, text in sections if text]
    if not changed_sections:
        count = _value_count(a)
        words = f"Identical: {count} measured values," if count else "Nothing was measured in either; identical:"
        return f"{words} all verdicts, claims, environment and protocol. {_costs(a, b)}"
    head = f"A: {a['run']}, {a['finished']}\nB: {b['run']}, {b['finished']}"
    if exit_code(a, b) == 2:
        head += "\nNothing was measured in either."
    if not exit_code(a, b):
        head += "\nEvery value is the same."
    return "\n\n".join([head, *changed_sections, _costs(a, b)])


def _values(report: Json) -> dict[str, tuple[Any, Any]]:
    return {cell["id"]: (cell["measured"], cell["values"]) for cell in report["cells"]}


def _verdict(a: Json, b: Json) -> str:
    return "" if a["verdict"] == b["verdict"] else f"  {a['verdict']} -> {b['verdict']}: {b['sentence']}"


def _cells(a: Json, b: Json, changes: Changes | None) -> str:
    old_cells, new_cells = ({cell["id"]: cell for cell in report["cells"]} for report in (a, b))
    of_cells = {str(cell): change for cell, change in changes.of_cells.items()} if changes else {}
    differing = [key for key in old_cells if key in new_cells and _differ(old_cells[key], new_cells[key])]
    heads = ("cell", "A", "B", "B - A", *(HEADS if of_cells else ()), "verdict")
    rows = []
    for key in differing:
        *values, verdict = _row(key, old_cells[key], new_cells[key])
        rows.append((*values, *(row(of_cells.get(key)) if of_cells else ()), verdict))
    lines = [tabulate(rows, heads, disable_numparse=True)] if rows else []
    differences = [abs(n["measured"] - o["measured"]) for o, n in _measured_pairs(old_cells, new_cells)]
    if rows and any(differences):
        lines.append(
            f"  {sum(map(bool, differences))} of {len(differences)} values moved, by {max(differences):.4f} points "
            "at most"
        )
    if rows and changes:
        lines += [f"  {sentence}" for sentence in sentences(changes, a, b)]
    lines += [f"  only in A: {key}" for key in old_cells if key not in new_cells]
    lines += [f"  only in B: {key}" for key in new_cells if key not in old_cells]
    return "\n".join(lines)


def _measured_pairs(old_cells: Cells, new_cells: Cells) -> Iterator[tuple[Json, Json]]:
    for key in old_cells.keys() & new_cells.keys():
        if old_cells[key]["measured"] is not None and new_cells[key]["measured"] is not None:
            yield old_cells[key], new_cells[key]


def _differ(old_cell: Json, new_cell: Json) -> bool:
    return any(old_cell[key] != new_cell[key] for key in ("measured", "values", "verdict"))


def _row(key: str, old_cell: Json, new_cell: Json) -> tuple[str, ...]:
    are_both_measured = old_cell["measured"] is not None and new_cell["measured"] is not None
    change = signed(new_cell["measured"] - old_cell["measured"], 4) if are_both_measured else ""
    verdict = (
        old_cell["verdict"]
        if old_cell["verdict"] == new_cell["verdict"]
        else f"{old_cell['verdict']} -> {new_cell['verdict']}"
    )
    return key, number(old_cell["measured"], 4), number(new_cell["measured"], 4), change, verdict


def _claims(a: Json, b: Json) -> str:
    words = {True: "holds", False: "fails", None: "not run"}
    old_answers = {claim["id"]: claim["holds_here"] for claim in a["claims"]}
    return "\n".join(
        f"  {claim['id']}: {words[old_answers[claim['id']]]} -> {words[claim['holds_here']]}: {claim['statement']}"
        for claim in b["claims"]
        if claim["id"] in old_answers and old_answers[claim["id"]] != claim["holds_here"]
    )


def _request(report: Json) -> Json:
    """Return the request less its name, in which any two runs differ."""
    return {key: value for key, value in request(report).items() if key not in NAMES_OF_A_RUN}


def _facts(a: Any, b: Any) -> str:
    old_facts, new_facts = dict(flatten(a)), dict(flatten(b))
    keys = [*old_facts, *(key for key in new_facts if key not in old_facts)]
    return "\n".join(
        f"  {key}: {old_facts.get(key, 'absent')} -> {new_facts.get(key, 'absent')}"
        for key in keys
        if old_facts.get(key) != new_facts.get(key)
    )


def _costs(a: Json, b: Json) -> str:
    return f"Cost: {duration(summary.seconds(a['costs']))} -> {duration(summary.seconds(b['costs']))}."
