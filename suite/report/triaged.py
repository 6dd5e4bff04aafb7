"""Triage of a run, `triage.json` in its folder, as the report and the terminal show it; `suite.triage` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from suite.core.forms import Each, Form, Tell, read_if_whole
from suite.core.text import duration, signed

FILE = "triage.json"
FOLDER = "triage"
"""Folder in the run folder of what is tried: a run folder for each, `<factor>-<choice>`."""
FORM: Form = {
    "against": "a text or null",
    "cells": Each(
        {
            "cell": "a text",
            "verdict": "a text",
            "measured": "a number",
            "expected": "a number",
            "before": "a number",
            "allowed": "a number >= 0",
            "seed_noise": "a number >= 0 or null",
            "outcome": "a text",
            "by": "a list of texts",
            "tried": Each(
                {
                    "factor": "a text",
                    "value": "a number",
                    "after": "a number",
                    "closed": "a number",
                    "moved": "a number or null",
                    "low": "a number or null",
                    "high": "a number or null",
                    "left_low": "a number or null",
                    "left_high": "a number or null",
                    "broken": "a whole number >= 0",
                    "confident": "true or false",
                }
            ),
        }
    ),
    "factors": Each({"factor": "a text", "about": "a text", "explains": "a whole number >= 0"}),
    "not_applicable": Each({"factor": "a text", "encoder": "a text", "reason": "a text"}),
    "not_tried": Each({"factor": "a text", "reason": "a text"}),
}
WORDS = {
    "explained": "explained by",
    "perhaps explained": "perhaps, within noise:",
    "partly explained": "partly, by",
    "unexplained": "unexplained",
    "no gap": "no gap to explain",
}
"""Outcome -> how it is said."""
AGAIN = "measured=again"
"""Label of the try that changes nothing."""
HEADS = ("Cell", "gap", "outcome", "gap left", "moved by")
ROLE = (
    "Named variants and usual mistakes, tried one at a time (make triage): what closes a gap, and how far it moves the "
    "cell; in brackets 95 % intervals over images. Verdicts stay what they are."
)


@dataclass(frozen=True)
class Line:
    """One cell of a triage.

    Attributes:
        gap: measured less expected, signed.
        outcome: in words, with the factors.
        left: the gap with the first of them in, or with what comes nearest.
        moved: how far that moves the cell, with its interval; empty where nothing was tried.
    """

    cell: str
    gap: str
    outcome: str
    left: str
    moved: str


@dataclass(frozen=True)
class Triage:
    """A triage as it is shown.

    Attributes:
        lines: its cells.
        summary: sentences: what explains how many, what was not tried.
        role: what it is and is not.
        heads: of the columns.
    """

    lines: tuple[Line, ...]
    summary: tuple[str, ...]
    role: str = ROLE
    heads: tuple[str, ...] = HEADS


def read(run: Path, tell: Tell) -> dict[str, Any] | None:
    """Read the triage of a run; None where there is none that can be read, of which `tell` is told."""
    content: dict[str, Any] | None = read_if_whole(run / FILE, FORM, "a triage", tell, place=FILE)
    return content


def still_true(triage: Mapping[str, Any] | None, measured: Mapping[str, float | None]) -> dict[str, Any] | None:
    """Return the part of a triage that is of the values as they are now; None where nothing is left of it.

    Args:
        triage: as read.
        measured: by cell.
    """
    cells = (
        []
        if triage is None
        else [entry for entry in triage["cells"] if measured.get(entry["cell"]) == entry["measured"]]
    )
    return {**triage, "cells": cells} if triage is not None and cells else None


def view(triage: Mapping[str, Any]) -> Triage:
    """Return what is shown of a triage."""
    return Triage(tuple(map(_line, triage["cells"])), tuple(_summary(triage)))


def render(triage: Mapping[str, Any]) -> str:
    """Write a triage for a terminal."""
    shown = view(triage)
    rows = [(line.cell, line.gap, line.outcome, line.left, line.moved) for line in shown.lines]
    table = [tabulate(rows, HEADS, tablefmt="simple", disable_numparse=True), ""] if rows else []
    return "\n".join([*table, *shown.summary])


def _line(entry: Mapping[str, Any]) -> Line:
    by = [row for row in entry["tried"] if row["factor"] in entry["by"]] or entry["tried"][:1]
    words = " or ".join(entry["by"])
    first = by[0] if by else None
    nearest = f"; nearest: {first['factor']}" if first and not words and entry["outcome"] == "unexplained" else ""
    return Line(
        entry["cell"],
        f"{signed(entry['before'])} (allowed {entry['allowed']:.2g})",
        f"{WORDS[entry['outcome']]} {words}".strip() + nearest,
        _left(first) if first else "",
        _moved(first) if first else "",
    )


def _left(row: Mapping[str, Any]) -> str:
    interval = "" if row["left_low"] is None else f" [{signed(row['left_low'])}, {signed(row['left_high'])}]"
    return f"{signed(row['after'])}{interval}"


def _moved(row: Mapping[str, Any]) -> str:
    if row["moved"] is None:
        return f"to {row['value']:.2f}"
    return f"{signed(row['moved'])} [{signed(row['low'])}, {signed(row['high'])}]"


def _summary(triage: Mapping[str, Any]) -> Iterator[str]:
    if triage["against"] is not None:
        yield f"Held against the run {triage['against']}, not against references"
    open_cells = [entry for entry in triage["cells"] if entry["outcome"] != "no gap"]
    yield from _repeated(open_cells)
    counts = {entry["factor"]: entry["explains"] for entry in triage["factors"] if entry["explains"]}
    for label in sorted(counts, key=lambda label: -counts[label]):
        yield f"{label} explains {counts[label]} of {len(open_cells)} cells with confidence"
    if open_cells and not counts:
        yield f"Nothing that was tried explains any of {len(open_cells)} cells with confidence"
    perhaps = Counter(label for e in open_cells if e["outcome"] == "perhaps explained" for label in e["by"])
    for label, count in perhaps.most_common():
        yield f"{label} closes {count} of {len(open_cells)} gaps, which may be chance"
    tried = sorted({row["factor"] for entry in triage["cells"] for row in entry["tried"]})
    if tried:
        yield f"Tried: {', '.join(tried)}"
    if idle := _by_reason(triage["not_applicable"]):
        yield f"Left out, since nothing can change: {idle}"
    if missing := _by_reason(triage["not_tried"]):
        yield f"Not tried: {missing}"


def _repeated(open_cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say what a repeated measurement tells of the machine and of chance."""
    pairs = [(entry, row) for entry in open_cells for row in entry["tried"] if row["factor"] == AGAIN]
    others = [pair for pair in pairs if not _is_same(*pair)]
    if pairs:
        same = f"Measured again as it is, {len(pairs) - len(others)} of {len(pairs)} cells come out with the same bits"
        entry, row = max(others or pairs, key=lambda pair: abs(pair[1]["value"] - pair[0]["measured"]))
        change = signed(row["value"] - entry["measured"])
        yield f"{same}; the others by chance or the machine, {entry['cell']} {change}" if others else same
    if settled := sum(entry["by"] == [AGAIN] for entry in open_cells):
        yield f"A repeated measurement closes {settled} of {len(open_cells)} gaps, so nothing else is named for them"


def _is_same(entry: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Tell whether a repeated measurement has the same value, and the same scores of items where they are known."""
    return row["value"] == entry["measured"] and not row["low"] and not row["high"]


def _by_reason(entries: Sequence[Mapping[str, Any]]) -> str:
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        of = f" for {entry['encoder']}" if "encoder" in entry else ""
        reasons.setdefault(entry["reason"], []).append(entry["factor"] + of)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())


def time_left_out(seconds: float) -> str:
    """Say why a try was not begun."""
    return f"the budget of {duration(seconds)} was spent; the same command goes on"
