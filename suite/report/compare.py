"""Changes between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from suite.core.files import Json
from suite.core.text import duration, number, signed
from suite.report import summary
from suite.report.facts import asked, flatten
from suite.report.files import load
from suite.results.store import Store

Cells = Mapping[str, Json]
NAMES_OF_A_RUN = ("run", "command", "started")


def compare_runs(a: Path, b: Path) -> tuple[str, int]:
    """Compare two run folders; see `compare` and `exit_code`.

    Raises:
        EvidenceError: a folder's results were altered since they were stored.
        RequestError: a folder without a report, or a file that is not one.
    """
    for folder in (a, b):
        list(Store(folder).results())
    first, second = load(a), load(b)
    return compare(first, second), exit_code(first, second)


def exit_code(a: Json, b: Json) -> int:
    """Return 0 if both reports hold the same cells with the same values, 1 if not; verdicts do not matter here."""
    return int(_values(a) != _values(b))


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
        ("Asked for", _facts(_asked(a), _asked(b))),
        ("Environment", _facts(a["environment"], b["environment"])),
        ("Protocol", _facts(a["protocol"], b["protocol"])),
    ]
    changed = [f"{title}\n{text}" for title, text in sections if text]
    if not changed:
        measured = sum(cell["measured"] is not None for cell in a["cells"])
        return f"Identical: {measured} measured values, all verdicts, claims, environment and protocol. {_costs(a, b)}"
    head = f"A: {a['run']}, {a['finished']}\nB: {b['run']}, {b['finished']}"
    if not exit_code(a, b):
        head += "\nEvery value is the same."
    return "\n\n".join([head, *changed, _costs(a, b)])


def _values(report: Json) -> dict[str, tuple[Any, Any]]:
    return {cell["id"]: (cell["measured"], cell["values"]) for cell in report["cells"]}


def _verdict(a: Json, b: Json) -> str:
    return "" if a["verdict"] == b["verdict"] else f"  {a['verdict']} -> {b['verdict']}: {b['sentence']}"


def _cells(a: Json, b: Json) -> str:
    old, new = ({cell["id"]: cell for cell in report["cells"]} for report in (a, b))
    rows = [_row(key, old[key], new[key]) for key in old if key in new and _differ(old[key], new[key])]
    lines = [tabulate(rows, ("cell", "A", "B", "B - A", "verdict"), disable_numparse=True)] if rows else []
    moved = [abs(n["measured"] - o["measured"]) for o, n in _both_measured(old, new)]
    if rows and any(moved):
        lines.append(f"  {sum(map(bool, moved))} of {len(moved)} values moved, by {max(moved):.4f} points at most")
    lines += [f"  only in A: {key}" for key in old if key not in new]
    lines += [f"  only in B: {key}" for key in new if key not in old]
    return "\n".join(lines)


def _both_measured(old: Cells, new: Cells) -> Iterator[tuple[Json, Json]]:
    for key in old.keys() & new.keys():
        if old[key]["measured"] is not None and new[key]["measured"] is not None:
            yield old[key], new[key]


def _differ(old: Json, new: Json) -> bool:
    return any(old[key] != new[key] for key in ("measured", "values", "verdict"))


def _row(key: str, old: Json, new: Json) -> tuple[str, ...]:
    known = old["measured"] is not None and new["measured"] is not None
    change = signed(new["measured"] - old["measured"], 4) if known else ""
    verdict = old["verdict"] if old["verdict"] == new["verdict"] else f"{old['verdict']} -> {new['verdict']}"
    return key, number(old["measured"], 4), number(new["measured"], 4), change, verdict


def _claims(a: Json, b: Json) -> str:
    words = {True: "holds", False: "fails", None: "not run"}
    old = {claim["id"]: claim["holds_here"] for claim in a["claims"]}
    return "\n".join(
        f"  {claim['id']}: {words[old[claim['id']]]} -> {words[claim['holds_here']]}: {claim['statement']}"
        for claim in b["claims"]
        if claim["id"] in old and old[claim["id"]] != claim["holds_here"]
    )


def _asked(report: Json) -> Json:
    """Return the request less its name, in which any two runs differ."""
    return {key: value for key, value in asked(report).items() if key not in NAMES_OF_A_RUN}


def _facts(a: Any, b: Any) -> str:
    old, new = dict(flatten(a)), dict(flatten(b))
    keys = [*old, *(key for key in new if key not in old)]
    return "\n".join(
        f"  {key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}" for key in keys if old.get(key) != new.get(key)
    )


def _costs(a: Json, b: Json) -> str:
    return f"Cost: {duration(summary.seconds(a['costs']))} -> {duration(summary.seconds(b['costs']))}."
