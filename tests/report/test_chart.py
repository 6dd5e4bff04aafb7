"""Charts of a table: places on the axis, what is drawn of each cell, the sentence for those who do not see it."""

from __future__ import annotations

from typing import Any

import pytest

from suite.report.chart import LEFT, RIGHT, charts
from suite.report.view.tables import paper_tables
from tests.support import report_sample

COLUMN = ("part_retrieval", "cub200", "encoded", "ap")


def cell(method: str, measured: float | None, expected: float | None = None, **changes: Any) -> dict[str, Any]:
    experiment, dataset, setting, metric = COLUMN
    verdict = "not run" if measured is None else "no reference" if expected is None else "reproduced"
    difference = None if measured is None or expected is None else measured - expected
    values = {"measured": measured, "expected": expected, "difference": difference, "verdict": verdict, "reason": None}
    return report_sample.cell((experiment, dataset, method, setting, metric), **values | changes)


def drawn(*cells: dict[str, Any]) -> Any:
    [table] = [table for table in paper_tables(cells) if table.title == "Table 3"]
    return charts(table, cells, "recorded")


def test_a_dot_is_the_value_and_a_bar_the_tolerance_around_what_was_expected() -> None:
    [chart] = drawn(cell("deit", 40.0, 40.0, tolerance=10.0), cell("dino", 60.0, 50.0, tolerance=10.0))
    # the axis reaches from 28.5 to 61.5: values from 30 to 60, and a twentieth of that at both ends
    scale = (RIGHT - LEFT) / 33
    deit, dino = chart.lines
    assert (deit.name, deit.measured, deit.expected) == (
        "DeiT",
        deit.expected,
        pytest.approx(LEFT + 11.5 * scale, abs=0.1),
    )
    assert dino.measured == pytest.approx(LEFT + 31.5 * scale, abs=0.1)
    assert dino.bar == (pytest.approx(LEFT + 11.5 * scale, abs=0.1), pytest.approx(20 * scale, abs=0.1))
    assert chart.caption == "Part retrieval, CUB-200-2011: encoded AP"
    assert [text for _, text in chart.ticks] == ["30", "40", "50", "60"]
    assert chart.alt == "Chart, Part retrieval, CUB-200-2011: encoded AP, measured against recorded: 2 reproduced."


def test_a_tolerance_too_small_to_see_is_a_stroke() -> None:
    [chart] = drawn(cell("deit", 40.0, 40.0, tolerance=0.05), cell("dino", 90.0, 90.0, tolerance=0.05))
    assert [line.bar[1] for line in chart.lines] == [2.0, 2.0]


def test_what_is_not_reproduced_is_said_in_words() -> None:
    off = cell("dino", 37.69, 40.0, tolerance=0.05, verdict="deviates")
    [chart] = drawn(off, cell("mae", None, 30.0, tolerance=0.05), cell("random_init", 20.0))
    assert [(line.label.icon, line.note) for line in chart.lines] == [("✗", "−2.31"), ("○", "not run"), ("◇", "")]
    assert chart.alt.endswith(": 1 deviates, 1 not run, 1 no reference; DINO 37.7 against 40.0.")
    _, missing, bare = chart.lines
    assert (missing.measured, bare.expected, bare.bar) == (None, None, None)


def test_one_value_has_an_axis_and_a_column_without_any_has_no_chart() -> None:
    [chart] = drawn(cell("random_init", 20.0))
    assert chart.lines[0].measured == (LEFT + RIGHT) / 2
    assert drawn(cell("dino", None, 40.0, tolerance=0.05)) == []


def test_a_long_name_is_cut() -> None:
    [chart] = drawn(cell("vit_small_patch16_dinov3", 20.0))
    assert chart.lines[0].name == "vit_small_pa…"
