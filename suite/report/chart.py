"""Measured against expected, a small chart for each column of a table: a row per encoder, drawn by the page itself.

A bar reaches from the expected value less its tolerance to that value and it, with a stroke at the value; a dot is what
was measured. The charts take the page's colours, and their words stay text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from suite.core.files import Json
from suite.core.text import number, signed
from suite.registry import title_of
from suite.report.labels import Label, label
from suite.report.view.layout import Column
from suite.report.view.tables import Table

WIDTH, LEFT, RIGHT = 300.0, 96.0, 232.0
"""Width of a chart and the edges of its axis, in units of its drawing, which are about a pixel each."""
ROW, TOP, FOOT = 16.0, 4.0, 18.0
"""Height of an encoder's row; what is free above the first row, and below the last, for the axis."""
_LONGEST_NAME = 13
_NARROWEST_BAR = 2.0


@dataclass(frozen=True)
class Line:
    """An encoder's row; places are from the left, None where there is no such value.

    Attributes:
        middle: from the top, of the row.
        bar: left edge and width.
        note: signed difference, of a cell that is not reproduced.
    """

    name: str
    middle: float
    label: Label
    measured: float | None
    expected: float | None
    bar: tuple[float, float] | None
    note: str


@dataclass(frozen=True)
class Chart:
    """A column of a table: caption, a sentence for those who do not see it, height, ticks (place, text) and rows."""

    caption: str
    alt: str
    height: float
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


def charts(table: Table, cells: Sequence[Json], expected: str) -> list[Chart]:
    """Draw the columns of a table in which something was measured.

    Args:
        table: its columns and rows, which keep their order.
        cells: of the report.
        expected: what the reference is, in a word.
    """
    by_id = {cell["id"]: cell for cell in cells}
    drawn = []
    for index, column in enumerate(table.columns):
        boxes = [row.cells[index] for row in table.rows]
        column_cells = [by_id[box.id] for box in boxes if box is not None and box.is_requested]
        if any(cell["measured"] is not None for cell in column_cells):
            drawn.append(_chart(column, column_cells, expected))
    return drawn


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> _Axis:
        """Return an axis that shows these values, with some room at both ends."""
        margin = 0.05 * (max(values) - min(values)) or 1.0
        return cls(min(values) - margin, max(values) + margin)

    def place(self, value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low), 1)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        values = MaxNLocator(4).tick_values(self.low, self.high)
        return tuple((self.place(value), f"{value:.6g}") for value in values if self.low <= value <= self.high)


def _chart(column: Column, cells: Sequence[Json], expected: str) -> Chart:
    axis = _Axis.around([value for cell in cells for value in _values(cell)])
    return Chart(
        caption=column.head,
        alt=f"Chart, {column.head}, measured against {expected}: {_sentence(cells)}.",
        height=TOP + ROW * len(cells) + FOOT,
        ticks=axis.ticks(),
        lines=tuple(_line(cell, TOP + ROW * (k + 0.5), axis) for k, cell in enumerate(cells)),
    )


def _values(cell: Json) -> list[float]:
    """List what a cell shows on the axis."""
    measured, expected, tolerance = cell["measured"], cell["expected"], cell["tolerance"] or 0.0
    shown = [] if expected is None else [expected - tolerance, expected + tolerance]
    return shown if measured is None else [*shown, measured]


def _line(cell: Json, middle: float, axis: _Axis) -> Line:
    name, expected, tolerance = title_of(cell["method"]), cell["expected"], cell["tolerance"]
    bar = None
    if expected is not None and tolerance is not None:
        left, right = axis.place(expected - tolerance), axis.place(expected + tolerance)
        width = max(right - left, _NARROWEST_BAR)
        bar = round((left + right - width) / 2, 1), round(width, 1)
    return Line(
        name=name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…",
        middle=middle,
        label=label(cell),
        measured=None if cell["measured"] is None else axis.place(cell["measured"]),
        expected=None if expected is None else axis.place(expected),
        bar=bar,
        note=_note(cell),
    )


def _note(cell: Json) -> str:
    """Write what stands beside a row that is not reproduced."""
    if cell["verdict"] == "not run":
        return "not run"
    return "" if cell["verdict"] == "reproduced" or cell["difference"] is None else signed(cell["difference"])


def _sentence(cells: Sequence[Json]) -> str:
    """Count the rows by verdict, then name those that differ."""
    words = [label(cell).word for cell in cells]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    others = [
        f"{title_of(cell['method'])} {number(cell['measured'])} against {number(cell['expected'])}"
        for cell in cells
        if cell["verdict"] != "reproduced" and cell["difference"] is not None
    ]
    return "; ".join((counts, *others))
