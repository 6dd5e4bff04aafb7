"""Every published number has unit, source and a reasoned tolerance; every recorded one has its seeds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from suite.cells import METHODS, CellId
from suite.core.paths import EXPECTED as ROOT
from suite.errors import ExpectedError, RequestError
from suite.reference.expected import Expected, load_expected, places


@pytest.fixture(scope="module")
def paper() -> dict[CellId, Expected]:
    return load_expected("paper", ROOT)


def test_all_146_published_cells_are_there(paper: dict[CellId, Expected]) -> None:
    typed = Counter(e.table for e in paper.values() if e.value is not None)
    # 7 x 2; 7 x 3; 7 x 2 encoded + 3 x 2 projected + 7 x 4; 7 x 9
    assert typed == {"Table 1": 14, "Table 2": 21, "Table 3": 48, "Table 4": 63}


def test_what_our_sources_lack_is_listed(paper: dict[CellId, Expected]) -> None:
    untyped = Counter((c.experiment, c.dataset) for c, e in paper.items() if e.value is None)
    assert untyped == {
        ("object_retrieval", "cifar10"): 7,
        ("object_retrieval", "coco"): 7,
        ("object_segmentation", "ade20k_object"): 7,
        ("object_segmentation", "pascal_object"): 7,
        ("learning_rate_sweep", "lip"): 42,
    }


# read off the paper's tables: corners of each, and every column's sum over its methods
@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("image_classification/imagenet1k/deit/linear/top1", 81.8),
        ("image_classification/imagenet1k/beit/attentive/top1", 51.9),
        ("image_classification/imagenet1k/ibot/attentive/top1", 79.8),
        ("object_segmentation/ade20k/deit/linear_head/miou", 34.9),
        ("object_segmentation/ade20k/ibot/linear_head/aacc", 78.1),
        ("part_retrieval/cub200/dino/encoded/ap", 48.9),
        ("part_retrieval/cub200/mocov3/projected/ap", 28.4),
        ("part_retrieval/coco/ibot/projected/ap", 41.5),
        ("part_classification/cub200/beit/linear/accuracy", 55.4),
        ("part_classification/coco/cae/attentive/accuracy", 95.5),
        ("part_segmentation/ade20k_part/deit/linear_head/macc", 34.7),
        ("part_segmentation/pascal_part/beit/linear_head/miou", 14.8),
        ("part_segmentation/lip/ibot/linear_head/aacc", 76.6),
    ],
)
def test_spot_checks(paper: dict[CellId, Expected], cell: str, value: float) -> None:
    assert paper[CellId.parse(cell)].value == value


@pytest.mark.parametrize(
    ("column", "total"),
    [
        ("image_classification/imagenet1k/linear/top1", 494.8),
        ("image_classification/imagenet1k/attentive/top1", 519.6),
        ("object_segmentation/ade20k/linear_head/miou", 219.9),
        ("part_retrieval/cub200/encoded/ap", 298.4),
        ("part_retrieval/coco/encoded/ap", 336.8),
        ("part_classification/cub200/linear/accuracy", 603.5),
        ("part_classification/coco/attentive/accuracy", 652.2),
        ("part_segmentation/ade20k_part/linear_head/miou", 188.8),
        ("part_segmentation/pascal_part/linear_head/miou", 179.9),
        ("part_segmentation/lip/linear_head/miou", 278.0),
    ],
)
def test_columns_sum_to_what_the_paper_prints(paper: dict[CellId, Expected], column: str, total: float) -> None:
    experiment, dataset, setting, metric = column.split("/")
    cells = [CellId(experiment, dataset, method, setting, metric) for method in METHODS]
    assert sum(paper[cell].value or 0 for cell in cells) == pytest.approx(total)


def test_values_are_printed_digits_in_per_cent(paper: dict[CellId, Expected]) -> None:
    for cell, e in paper.items():
        assert (e.unit, e.rounding, e.seeds, e.spread) == ("percent", 0.1, 1, None), cell
        assert (e.by_seed, e.machine) == ({}, 0.0), cell
        assert e.value is None or e.value == round(e.value, 1), cell


@pytest.mark.parametrize(
    ("experiment", "metric", "deterministic", "numeric", "cap"),
    [
        ("part_retrieval", "ap", True, 0.05, 0.3),
        ("image_classification", "top1", False, 0.05, 0.3),
        ("part_classification", "accuracy", False, 0.0, 0.3),
        ("part_segmentation", "miou", False, 0.0, 0.8),
    ],
)
def test_tolerances(
    paper: dict[CellId, Expected], experiment: str, metric: str, deterministic: bool, numeric: float, cap: float
) -> None:
    references = [e for c, e in paper.items() if (c.experiment, c.metric) == (experiment, metric)]
    assert references
    assert {(e.deterministic, e.numeric, e.cap) for e in references} == {(deterministic, numeric, cap)}


def test_every_published_probe_has_a_gross_bound_with_its_source(paper: dict[CellId, Expected]) -> None:
    bounds = {(e.cell.metric, e.gross) for e in paper.values() if not e.deterministic}
    assert bounds == {("top1", 2.0), ("accuracy", 3.0), ("miou", 5.0), ("macc", 5.0), ("aacc", 3.0)}
    assert all("Set before any run" in (e.gross_reason or "") for e in paper.values() if not e.deterministic)
    assert {e.gross for e in paper.values() if e.deterministic} == {None}, "any deviation of these is one"


def test_places_know_the_tables(paper: dict[CellId, Expected]) -> None:
    assert places(ROOT)[CellId.parse("part_retrieval/coco/cae/encoded/ap")] == "Table 3"
    assert CellId.parse("object_retrieval/coco/cae/encoded/ap") not in places(ROOT)


def test_profile_and_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        load_expected("big", ROOT)
    assert str(error.value) == "unknown profile 'big': expected one of mini, paper"
    with pytest.raises(ExpectedError, match="the suite needs the whole repository, not its package alone"):
        load_expected("paper", tmp_path / "nowhere")
    assert load_expected("mini", tmp_path) == {}


def test_every_recorded_value_of_a_seed_is_known() -> None:
    for cell, e in load_expected("mini", ROOT).items():
        assert e.deterministic == (not e.by_seed), cell
        if e.by_seed:
            assert list(e.by_seed) == [0, 1, 2, 3, 4], cell
            assert sum(e.by_seed.values()) / 5 == pytest.approx(e.value, abs=1e-6), cell
