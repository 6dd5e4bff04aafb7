"""Look of a report's words: the only place for icons, colours and display names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from suite.core.files import Json
from suite.judge.entries import other_environment
from suite.judge.verdict import EXIT_CODES


@dataclass(frozen=True)
class Label:
    """A verdict as a reader meets it: never by colour alone.

    Attributes:
        word: said in full.
        icon: one character, for HTML.
        emoji: for Markdown.
        mark: ASCII, for terminals of any encoding.
        tone: CSS class and terminal colour: good, bad, warn, mute.
    """

    word: str
    icon: str
    emoji: str
    mark: str
    tone: str


VERDICTS = {
    "reproduced": Label("reproduced", "✓", "✅", "ok", "good"),
    "deviates": Label("deviates", "✗", "❌", "DEV", "bad"),
    "inconclusive": Label("inconclusive", "≈", "🟡", "inc", "warn"),
    "not run": Label("not run", "○", "⚪", "---", "mute"),
    "no reference": Label("no reference", "◇", "➖", "ref?", "mute"),
    "known deviation": Label("known deviation", "≠", "🔶", "known", "warn"),
    "unexpected": Label("unexpected", "‼", "❗", "UNEXP", "bad"),
    "incomplete": Label("incomplete", "◐", "🟡", "inc", "warn"),
    "claims differ": Label("claims differ", "✗", "❌", "DEV", "bad"),
    "not judged": Label("not judged", "◇", "➖", "ref?", "mute"),
}
"""Labels of verdicts, of cells and of runs; the last three are of runs only."""
UNCONFIRMED = Label("deviates, unconfirmed", "!", "⚠️", "dev?", "warn")
NOT_CONVERGED = Label("not converged", "↘", "↘️", "more", "warn")
"""A mark beside a verdict: the head was not trained to the end."""
STATUSES = {
    "passed": Label("passed", "✓", "✅", "ok", "good"),
    "warning": Label("warning", "!", "⚠️", "warn", "warn"),
    "failed": Label("failed", "✗", "❌", "FAIL", "bad"),
    "not reached": Label("not reached", "○", "⚪", "---", "mute"),
}
"""Labels of the statuses of the conformance checks."""
CELL_VERDICTS = ("reproduced", "deviates", "inconclusive", "not run", "no reference", "known deviation", "unexpected")
_RARE = ("known deviation", "unexpected")
"""Verdicts shown only where a cell has one."""
EVIDENCE_TONES = {"provided": "good", "partial": "warn", "missing": "bad"}
"""Tone of the status of a reproducibility variable."""
BOUND_LABELS = {
    "no worse": Label("passes", "✓", "✅", "ok", "good"),
    "worse": Label("fails", "✗", "❌", "FAIL", "bad"),
    "cannot tell": Label("cannot be told", "≈", "🟡", "?", "warn"),
}
"""Labels of the one-sided gate, by `suite.judge.no_worse`."""
GATE_LABELS = {
    "unchanged": Label("unchanged", "=", "✅", "=", "good"),
    "changed": Label("changed", "Δ", "❌", "CHG", "bad"),
    "unconfirmed": Label("changed, unconfirmed", "!", "⚠️", "chg?", "warn"),
    "cannot tell": Label("cannot tell", "≈", "🟡", "?", "warn"),
    "not accepted": Label("not accepted", "◇", "➖", "new", "mute"),
}
"""Labels of the second gate, against the accepted run of the device."""


def label_of_run(report: Mapping[str, Any]) -> Label:
    """Return the label of a run's verdict; not green where a gate beside it decides the exit code."""
    own, code = VERDICTS[report["verdict"]], report["exit_code"]
    if EXIT_CODES[report["verdict"]] or not code:
        return own
    other = VERDICTS["deviates" if code == EXIT_CODES["deviates"] else "inconclusive"]
    said = "a gate fails" if other.tone == "bad" else "a gate cannot be told"
    return replace(other, word=f"{own.word}, but {said}")


def label(cell: Mapping[str, Any]) -> Label:
    """Return the label of a cell's verdict; a deviation the family does not confirm has its own."""
    if cell["verdict"] == "deviates" and cell["warning"]:
        return UNCONFIRMED
    return VERDICTS[cell["verdict"]]


def reason_of(cell: Mapping[str, Any]) -> str:
    """Give the reason of a cell's verdict, and where it was made, if elsewhere."""
    number, reason = other_environment(cell), cell["reason"] or ""
    return reason if number is None else f"{reason}{'; ' if reason else ''}made in environment {number}"


def verdicts_of(cells: Sequence[Json]) -> tuple[str, ...]:
    """List the verdicts that a report of these cells speaks of, in the order of `CELL_VERDICTS`."""
    cell_verdicts = {cell["verdict"] for cell in cells}
    return tuple(verdict for verdict in CELL_VERDICTS if verdict not in _RARE or verdict in cell_verdicts)


def tally(cells: Sequence[Json], verdicts: Sequence[str] = CELL_VERDICTS) -> dict[str, int]:
    """Count cells of each verdict, in this order, zeros included."""
    cell_verdicts = [cell["verdict"] for cell in cells]
    return {verdict: cell_verdicts.count(verdict) for verdict in verdicts}
