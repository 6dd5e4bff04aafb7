"""Changes between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from suite.core.files import Json
from suite.core.forms import warn
from suite.core.text import duration, number, signed
from suite.report import summary
from suite.report.facts import flatten, request
from suite.report.files import load
from suite.results.store import Result, Store

Cells = Mapping[str, Json]
NAMES_OF_A_RUN = ("run", "command", "started")


def compare_runs(a: Path, b: Path) -> tuple[str, int]:
    """Compare two run folders, as they are reported; see `compare` and `exit_code`.

    A report that is not of the results beside it is told of with a warning.

    Raises:
        EvidenceError: a folder's results were altered since they were stored.
        RequestError: a folder without a report, or a file that is not one.
    """
    results = [list(Store(folder).results()) for folder in (a, b)]
    first_report, second_report = load(a), load(b)
    for folder, run_results, report in ((a, results[0], first_report), (b, results[1], second_report)):
        if names := _other_cells(run_results, report):
            warn(
                f"{folder}: {len(names)} cells of its report are not what its results are, {names[0]} first: run "
                f"python -m suite verify {folder}"
            )
    return compare(first_report, second_report), exit_code(first_report, second_report)


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


def compare(a: Json, b: Json) -> str:
    """Say in plain text what changed from `a` to `b`: cells, claims, environment, protocol, cost.

    Args:
        a: the report to compare with.
        b: the newer report.

    Returns:
        Sections of what changed; for runs that agree in everything but time, one line.
    """
    sections = [
        ("Verdict", _verdict(a, b)),
        ("Cells", _cells(a, b)),
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


def _cells(a: Json, b: Json) -> str:
    old_cells, new_cells = ({cell["id"]: cell for cell in report["cells"]} for report in (a, b))
    rows = [
        _row(key, old_cells[key], new_cells[key])
        for key in old_cells
        if key in new_cells and _differ(old_cells[key], new_cells[key])
    ]
    lines = [tabulate(rows, ("cell", "A", "B", "B - A", "verdict"), disable_numparse=True)] if rows else []
    differences = [abs(n["measured"] - o["measured"]) for o, n in _measured_pairs(old_cells, new_cells)]
    if rows and any(differences):
        lines.append(
            f"  {sum(map(bool, differences))} of {len(differences)} values moved, by {max(differences):.4f} points "
            "at most"
        )
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
