"""history.html: every cell over many runs, in one file that asks nothing of the network and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core.files import Json, write_atomically
from suite.core.text import number, signed
from suite.report.history import CellTrend, History, RunLine, histories, reports_in
from suite.report.html import templates
from suite.report.sparkline import Sparkline, sparkline

NAME = "history.html"


@dataclass(frozen=True)
class Row:
    """A cell on the page.

    Attributes:
        runs: how many measured it.
        last: its newest value.
        span: its largest value less its smallest.
    """

    id: str
    plot: Sparkline
    runs: int
    last: str
    span: str
    gates: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Runs of one profile on the page: cells that moved, the largest move first, then all by experiment."""

    history: History
    moved: tuple[Row, ...]
    experiments: dict[str, tuple[Row, ...]]


def write_history(folder: Path, target: Path | None = None) -> tuple[Path, int, list[str]]:
    """Write the page on all runs of a folder.

    Args:
        folder: of run folders.
        target: the page; None for `history.html` in the folder.

    Returns:
        The page, the number of runs on it, and a line for each report that could not be read.

    Raises:
        RequestError: no run there has a report.
        StorageError: the page cannot be written.
    """
    reports, problems = reports_in(folder)
    page = target or folder / NAME
    write_page(page, reports, problems)
    return page, len(reports), problems


def write_page(page: Path, reports: Sequence[tuple[Path, Json]], problems: Sequence[str] = ()) -> None:
    """Write the page on these runs, folder and report of each.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(page, render(histories(reports), problems).encode("utf-8", "replace"))


def render(of_profiles: Sequence[History], problems: Sequence[str] = ()) -> str:
    """Render the page; `problems` are reports that could not be read."""
    parts = [_part(history) for history in of_profiles]
    return templates(Path()).get_template("history.html.j2").render(parts=parts, problems=problems) + "\n"


def _part(history: History) -> Part:
    rows = {cell.id: _row(cell, history.runs) for cell in history.cells}
    return Part(
        history,
        tuple(rows[cell.id] for cell in history.moved),
        {title: tuple(rows[cell.id] for cell in cells) for title, cells in history.experiments.items()},
    )


def _row(cell: CellTrend, runs: Sequence[RunLine]) -> Row:
    return Row(
        cell.id,
        sparkline(cell, runs),
        len(cell.known),
        number(cell.known[-1], 2),
        signed(max(cell.known) - min(cell.known), 4).removeprefix("+"),
        tuple(gate.text for gate in cell.gates),
    )
