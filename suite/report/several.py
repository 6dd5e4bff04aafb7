"""Candidates side by side, held against a reference, and as a sweep: rows that every output shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from suite.cells import BASELINES, METHODS
from suite.core.files import Json
from suite.core.text import number, signed
from suite.judge.no_worse import allowance
from suite.registry import title_of
from suite.report.candidates import LEVELS, MARKS, marks, title
from suite.report.labels import BOUND_LABELS, Label
from suite.report.short_names import short_names


@dataclass(frozen=True)
class Standing:
    """A value in a column of the table of all: its text, its rank among candidates and the seven, its source's mark."""

    value: str
    rank: str
    mark: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Row:
    """A column of the paper's tables, with the values of the candidates, of the seven and of the floors."""

    level: str
    column: str
    candidates: tuple[Standing, ...]
    others: tuple[Standing, ...]


@dataclass(frozen=True)
class Line:
    """A line of a trend: what it is of, and a text for every checkpoint, e.g. `41.2 (39.8 to 42.6)`."""

    level: str
    name: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class Trend:
    """A sweep.

    Attributes:
        axis: what checkpoints stand on: `epoch`, or their position in the list.
        heads: of the checkpoints, in their order.
        note: what the values do not hold.
    """

    axis: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str


@dataclass(frozen=True)
class Several:
    """The part of a report that is about all candidates.

    Attributes:
        sentence: the family of comparisons, and what it confirms.
        heads: of the candidates in the rows, by what differs in their names.
        others: of the seven and the floors in the rows.
        marks: (mark, source) of values that this run did not measure.
        trend: None for fewer than three.
    """

    sentence: str
    heads: tuple[str, ...]
    others: tuple[str, ...]
    rows: tuple[Row, ...]
    marks: tuple[tuple[str, str], ...]
    trend: Trend | None


@dataclass(frozen=True)
class BoundRow:
    """One column of a candidate, held against the reference of the one-sided gate."""

    candidate: str
    reference: str
    column: str
    difference: str
    interval: str
    margin: str
    label: Label


@dataclass(frozen=True)
class Bound:
    """The one-sided gate: what was asked, the verdict and the sentence on each candidate, and every column."""

    question: str
    verdicts: tuple[tuple[Label, str], ...]
    rows: tuple[BoundRow, ...]


def several_of(report: Json) -> Several | None:
    """Return the part on all candidates; None for a report on one or none."""
    together = report.get("together")
    if not together:
        return None
    methods = together["methods"]
    names = short_names(methods)
    columns = sorted(together["columns"], key=lambda column: list(LEVELS).index(column["level"]))
    return Several(
        sentence=together["family"]["sentence"],
        heads=tuple(names[method] for method in methods),
        others=tuple(map(title_of, (*METHODS, *BASELINES))),
        rows=tuple(_row(column, methods) for column in columns),
        marks=tuple(marks({"columns": columns})),
        trend=_trend(together["trend"], methods, names) if together["trend"] else None,
    )


def bound_of(report: Json) -> Bound | None:
    """Return the one-sided gate; None where none was asked for."""
    gates = {e["method"]: e["no_worse_than"] for e in report["newcomers"] if "no_worse_than" in e}
    if not gates:
        return None
    first = next(iter(gates.values()))
    question = f"No worse than {title_of(first['reference'])}, {allowance(first['margin'])}"
    rows = [_bound_row(method, gate, column) for method, gate in gates.items() for column in gate["columns"]]
    verdicts = tuple((BOUND_LABELS[gate["verdict"]], gate["sentence"]) for gate in gates.values())
    return Bound(question, verdicts, tuple(rows))


def _row(column: Json, methods: Sequence[str]) -> Row:
    beside = {**column["references"], **column["floors"]}
    ranks, best = column["ranks"], min(column["ranks"].values())
    own = [
        Standing(number(column["values"][m]), f"{ranks[m]:g}", is_best=ranks[m] == best)
        if m in column["values"]
        else Standing("—", "")
        for m in methods
    ]
    others = [
        Standing(
            number(beside[m]["value"]),
            f"{ranks[m]:g}" if m in ranks else "",
            MARKS[beside[m]["source"]],
            ranks.get(m) == best,
        )
        if m in beside
        else Standing("—", "")
        for m in (*METHODS, *BASELINES)
    ]
    return Row(LEVELS[column["level"]], title(column), tuple(own), tuple(others))


def _trend(trend: Json, methods: Sequence[str], names: Mapping[str, str]) -> Trend:
    lines = [
        Line(LEVELS[line["level"]], f"mean of {line['columns']} columns", _points(line["points"], methods))
        for line in trend["levels"]
    ]
    columns = sorted(trend["columns"], key=lambda line: list(LEVELS).index(line["level"]))
    lines += [Line(LEVELS[line["level"]], title(line), _points(line["points"], methods)) for line in columns]
    has_seeds = any(point["seed_sd"] is not None for line in columns for point in line["points"])
    seeds = (
        "sd is that of the seeds' values, which the interval does not hold"
        if has_seeds
        else "the interval does not hold the noise of a probe's seed (SEED=0,1,2 shows it)"
    )
    return Trend(trend["axis"], tuple(names[method] for method in methods), tuple(lines), seeds)


def _points(points: Sequence[Json], methods: Sequence[str]) -> tuple[str, ...]:
    by_method = {point["method"]: point for point in points}
    return tuple(_point(by_method[method]) if method in by_method else "—" for method in methods)


def _point(point: Json) -> str:
    text = number(point["value"])
    if point["low"] is not None:
        text += f" ({number(point['low'])} to {number(point['high'])})"
    return text if point.get("seed_sd") is None else f"{text}, sd {number(point['seed_sd'], 2)}"


def _bound_row(method: str, gate: Json, column: Json) -> BoundRow:
    is_known = column["low"] is not None
    return BoundRow(
        candidate=method,
        reference=title_of(gate["reference"]),
        column=title(column),
        difference=signed(column["value"]),
        interval=f"{signed(column['low'])} to {signed(column['high'])}" if is_known else "–",
        margin=number(gate["margin"], 2),
        label=BOUND_LABELS[column["verdict"]],
    )
