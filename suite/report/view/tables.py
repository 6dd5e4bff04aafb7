"""The paper's tables in the paper's layout, from the cells of a report: what HTML, Markdown and terminal share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from suite.cells import BASELINES
from suite.core.files import Json
from suite.core.text import number, signed
from suite.judge.entries import other_environment
from suite.judge.verdict import NOT_ASKED
from suite.registry import family, method_order, title_of
from suite.report.labels import NOT_CONVERGED, UNCONFIRMED, VERDICTS, Label, label, reason_of, verdicts_of
from suite.report.view.layout import LAYOUT, Column


@dataclass(frozen=True)
class Box:
    """Box of a table: what it says of a cell.

    Attributes:
        measured: text; None where it did not run.
        expected: text; None where there is no reference.
        difference: measured less expected, text; None where one of them is missing.
        environment: number of the environment it was made in, if that is not the run's own.
        reason: the reason of its verdict, and where it was made, if elsewhere.
        not_run: why it did not run; None where it did.
        is_requested: whether anybody asked for it.
        not_converged: why its head was not trained to the end; None where it was, or nobody can tell.
    """

    id: str
    label: Label
    measured: str | None
    expected: str | None
    difference: str | None
    environment: int | None
    reason: str
    not_run: str | None
    is_requested: bool
    not_converged: str | None


@dataclass(frozen=True)
class Row:
    """A method and its cells, None where the method has none (a projector it lacks)."""

    method: str
    cells: tuple[Box | None, ...]

    @property
    def title(self) -> str:
        """Display name of the method."""
        return title_of(self.method)

    @property
    def family(self) -> str:
        """Family of its pretraining."""
        return family(self.method)

    @property
    def baseline(self) -> bool:
        """Tell whether it is a baseline that the paper does not have."""
        return self.method in BASELINES


@dataclass(frozen=True)
class Ceiling:
    """What a perfect head reaches, a text per column of a table; None where it says nothing of a column."""

    title: str
    note: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper; `cells` are all its cells, `columns` and `rows` their layout, `ceilings` stand below."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: tuple[Box, ...]
    ceilings: tuple[Ceiling, ...] = ()

    def spans(self, *levels: str) -> list[tuple[str, int]]:
        """Return spanning headers: (display name, columns spanned) of neighbours that agree on `levels`."""
        keys = groupby([tuple(getattr(column, level) for level in levels) for column in self.columns])
        return [(title_of(key[-1]), len(list(group))) for key, group in keys]

    @property
    def not_run_reasons(self) -> list[str]:
        """Reasons why nothing of this table ran; empty when at least one cell did."""
        reasons = {cell.not_run for cell in self.cells}
        return [] if None in reasons else sorted(reason for reason in reasons if reason)


@dataclass(frozen=True)
class Tables:
    """The paper's tables, then those of other readouts and metrics.

    Attributes:
        key: labels that their cells may carry.
        expected: what the reference is, in a word.
    """

    key: tuple[Label, ...]
    expected: str
    paper: tuple[Table, ...]
    other_tables: tuple[Table, ...]

    @property
    def marks(self) -> tuple[Label, ...]:
        """Labels that stand beside verdicts in one of them."""
        boxes = (cell for table in (*self.paper, *self.other_tables) for cell in table.cells)
        return (NOT_CONVERGED,) if any(box.not_converged for box in boxes) else ()


def _expected_word(report: Json) -> str:
    """Word the reference: the paper's own numbers, or this suite's recorded runs."""
    return "recorded" if report["profile"] == "mini" else "published"


def tables(report: Json) -> Tables:
    """Return the tables of a report."""
    cells, limits = report["cells"], report.get("ceilings", ())
    key = (*(VERDICTS[verdict] for verdict in verdicts_of(cells)), UNCONFIRMED)
    return Tables(key, _expected_word(report), tuple(paper_tables(cells, limits)), tuple(other_tables(cells, limits)))


def _column_of(cell: Json) -> Column:
    return Column(cell["experiment"], cell["dataset"], cell["setting"], cell["metric"])


def _box(cell: Json) -> Box:
    reason, training = cell["reason"] or "no reason was given", cell.get("training") or {}
    return Box(
        id=cell["id"],
        label=label(cell),
        measured=None if cell["measured"] is None else number(cell["measured"]),
        expected=None if cell["expected"] is None else number(cell["expected"]),
        difference=None if cell["difference"] is None else signed(cell["difference"]),
        environment=other_environment(cell),
        reason=reason_of(cell),
        not_run=reason if cell["verdict"] == "not run" else None,
        is_requested=cell["reason"] != NOT_ASKED,
        not_converged=training["reason"] if training.get("not_converged") else None,
    )


def _table(title: str, caption: str, columns: Sequence[Column], cells: Sequence[Json], limits: Sequence[Json]) -> Table:
    boxes = {(_column_of(cell), cell["method"]): _box(cell) for cell in cells if _column_of(cell) in columns}
    used_columns = {column for column, _ in boxes}
    table_columns = tuple(column for column in columns if column in used_columns)
    methods = sorted({method for _, method in boxes}, key=method_order)
    rows = tuple(Row(m, tuple(boxes.get((column, m)) for column in table_columns)) for m in methods)
    return Table(title, caption, table_columns, rows, tuple(boxes.values()), _ceilings(table_columns, limits))


CEILINGS = {
    "decided": ("perfect classes", "patches of {} px"),
    "shared": ("perfect shares", "patches of {} px"),
    "labels": ("right labels", "of wrong ones"),
}
"""Title of a kind of ceiling, and a note in which the side of a patch is put."""
CEILINGS_ARE = (
    "Ceilings, by masks and labels alone: perfect heads that name the commonest class of each patch, or know the share "
    "of each class in it, and what wrong labels leave to who is always right. Not in the paper, so never judged "
    "against it."
)


def _ceilings(columns: Sequence[Column], limits: Sequence[Json]) -> tuple[Ceiling, ...]:
    """Put ceilings under the columns of a table; none where they say nothing of any."""
    found = {(x["kind"], x["patch_px"], x["experiment"], x["dataset"], x["metric"]): x["value"] for x in limits}
    rows = []
    for kind, patch_px in sorted({key[:2] for key in found}, key=lambda key: ([*CEILINGS].index(key[0]), key[1] or 0)):
        values = [found.get((kind, patch_px, c.experiment, c.dataset, c.metric)) for c in columns]
        if any(value is not None for value in values):
            title, note = CEILINGS[kind]
            texts = tuple(None if value is None else number(value) for value in values)
            rows.append(Ceiling(title, note.format(patch_px), texts))
    return tuple(rows)


def paper_tables(cells: Sequence[Json], limits: Sequence[Json] = ()) -> list[Table]:
    """Return the paper's tables, also those of which this profile lists no cell (they have no columns)."""
    return [_table(*layout, cells, limits) for layout in LAYOUT]


def other_tables(cells: Sequence[Json], limits: Sequence[Json] = ()) -> list[Table]:
    """Make a table per experiment of the cells in none of the paper's tables: other readouts and metrics."""
    paper_columns = {column for _, _, columns in LAYOUT for column in columns}
    other_columns = sorted(
        {_column_of(c) for c in cells} - paper_columns,
        key=lambda c: (c.experiment, c.dataset, c.metric, c.setting),
    )
    return [
        _table(
            f"{title_of(experiment)}, other readouts and metrics",
            "Not in the paper's tables (%).",
            list(group),
            cells,
            limits,
        )
        for experiment, group in groupby(other_columns, key=lambda column: column.experiment)
    ]
