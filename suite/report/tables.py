"""The paper's tables in the paper's layout, from the cells of a report: what HTML, Markdown and terminal share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from suite.core.files import Json
from suite.registry import method_order, title_of

SEGMENTATION = tuple(product(("linear_head",), ("miou", "macc", "aacc")))
RETRIEVAL = (("encoded", "ap"), ("projected", "ap"))
PROBES = (("linear", "accuracy"), ("attentive", "accuracy"))


@dataclass(frozen=True)
class Column:
    """A column of a table: a cell's name without its method."""

    experiment: str
    dataset: str
    setting: str
    metric: str

    @property
    def leaf(self) -> str:
        """Lowest header: `encoded AP`, `linear accuracy`, `mIoU`."""
        setting = "" if self.setting == "linear_head" else title_of(self.setting)
        return f"{setting} {title_of(self.metric)}".strip()

    @property
    def head(self) -> str:
        """All levels in one line, for formats without spanning headers."""
        return f"{title_of(self.experiment)}, {title_of(self.dataset)}: {self.leaf}"


@dataclass(frozen=True)
class Row:
    """A method and its cells, None where the method has none (a projector it lacks)."""

    method: str
    cells: tuple[Json | None, ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper; `cells` are all its cells, `columns` and `rows` their layout."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: tuple[Json, ...]

    def spans(self, *levels: str) -> list[tuple[str, int]]:
        """Spanning headers: (display name, columns spanned) of neighbours that agree on `levels`."""
        keys = groupby([tuple(getattr(column, level) for level in levels) for column in self.columns])
        return [(title_of(key[-1]), len(list(same))) for key, same in keys]

    @property
    def not_run_reasons(self) -> list[str]:
        """Why nothing of this table ran; empty when at least one cell did."""
        if not self.cells or any(cell["verdict"] != "not run" for cell in self.cells):
            return []
        return sorted({cell["reason"] or "no reason was given" for cell in self.cells})


def _columns(experiment: str, datasets: str, settings: Iterable[tuple[str, str]]) -> list[Column]:
    return [Column(experiment, d, *setting) for d, setting in product(datasets.split(), settings)]


LAYOUT: tuple[tuple[str, str, list[Column]], ...] = (
    (
        "Table 1",
        "Image classification on ImageNet-1K with frozen encoders: top-1 accuracy (%).",
        _columns("image_classification", "imagenet1k", (("linear", "top1"), ("attentive", "top1"))),
    ),
    (
        "Table 2",
        "Semantic segmentation of objects on ADE20K with frozen encoders (%).",
        _columns("object_segmentation", "ade20k", SEGMENTATION),
    ),
    (
        "Table 3",
        "Parts: retrieval by the encoder's output and by the projector's (AP, %), and probing accuracy (%).",
        _columns("part_retrieval", "cub200 coco", RETRIEVAL) + _columns("part_classification", "cub200 coco", PROBES),
    ),
    (
        "Table 4",
        "Semantic segmentation of parts with frozen encoders (%).",
        _columns("part_segmentation", "ade20k_part pascal_part lip", SEGMENTATION),
    ),
    (
        "Object retrieval",
        "Whole-image retrieval by the encoder's output and by the projector's (AP, %).",
        _columns("object_retrieval", "cifar10 coco", RETRIEVAL),
    ),
    (
        "Figure 6",
        "Semantic segmentation of objects on the sets the paper compares with their part versions (%).",
        _columns("object_segmentation", "ade20k_object pascal_object", SEGMENTATION),
    ),
)


def column_of(cell: Json) -> Column:
    """Column that a cell of a report stands in."""
    return Column(cell["experiment"], cell["dataset"], cell["setting"], cell["metric"])


def _table(title: str, caption: str, columns: Sequence[Column], cells: Sequence[Json]) -> Table:
    inside = {(column_of(cell), cell["method"]): cell for cell in cells if column_of(cell) in columns}
    present = {column for column, _ in inside}
    kept = tuple(column for column in columns if column in present)
    methods = sorted({method for _, method in inside}, key=method_order)
    rows = tuple(Row(m, tuple(inside.get((column, m)) for column in kept)) for m in methods)
    return Table(title, caption, kept, rows, tuple(inside.values()))


def paper_tables(cells: Sequence[Json]) -> list[Table]:
    """The paper's tables, also those of which this profile lists no cell (they have no columns)."""
    return [_table(*layout, cells) for layout in LAYOUT]


def other_tables(cells: Sequence[Json]) -> list[Table]:
    """A table per experiment of the cells in none of the paper's tables: other readouts and metrics."""
    known = {column for _, _, columns in LAYOUT for column in columns}
    rest = sorted(
        {column_of(c) for c in cells} - known,
        key=lambda c: (c.experiment, c.dataset, c.metric, c.setting),
    )
    return [
        _table(
            f"{title_of(experiment)}, other readouts and metrics", "Not in the paper's tables (%).", list(group), cells
        )
        for experiment, group in groupby(rest, key=lambda column: column.experiment)
    ]
