"""Links from a cell to what it rests on: each leads to something on the page; a cell not measured has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from suite.report import html
from suite.report.view.cells import choices
from suite.report.view.evidence import Evidence, Link
from tests.support import report_sample

PLACE = ("part_segmentation", "lip", "dino", "linear_head", "miou")
PROBE = ("part_classification", "coco", "cae", "linear", "accuracy")


@pytest.fixture
def whole(report: dict[str, Any]) -> dict[str, Any]:
    figure = {"kind": "segmentation", "dataset": "lip", "method": "dino", "role": "image", "path": "a.png"}
    point = {"experiment": "part_classification", "dataset": "coco", "method": "cae", "setting": "linear"}
    digests = {"part_segmentation/lip/dino": "a" * 64, "part_classification/coco/cae": "b" * 64}
    return report | {
        "figures": [figure],
        "rates": [point | {"points": [[0.1, 50.0], [0.2, 51.0]]}],
        "results": digests,
        "protocol": {"experiments": {"part_segmentation": {"steps": 5}, "part_classification": {"epochs": 2}}},
    }


def test_a_cell_of_segmentation_has_curves_and_pictures(whole: dict[str, Any]) -> None:
    cell = report_sample.cell(PLACE, measured=12.0, environment=1)
    assert [*Evidence(whole).links(cell)] == [
        Link("protocol", "protocol-part_segmentation"),
        Link("curves", "curves-lip"),
        Link("pictures", "samples-lip"),
        Link("items", "result-part_segmentation/lip/dino"),
        Link("environment", "environment-1"),
    ]


def test_a_probe_swept_over_learning_rates_has_curves(whole: dict[str, Any]) -> None:
    words = [link.word for link in Evidence(whole).links(report_sample.cell(PROBE, measured=50.0))]
    assert words == ["protocol", "curves", "items"], "its environment is not known"


def test_a_cell_that_was_not_measured_rests_on_nothing(whole: dict[str, Any]) -> None:
    assert [*Evidence(whole).links(report_sample.cell(PLACE))] == []


def test_every_link_of_a_page_leads_somewhere(whole: dict[str, Any], tmp_path: Path) -> None:
    cells = [report_sample.cell(PLACE, measured=12.0, environment=1), report_sample.cell(PROBE, measured=50.0)]
    text = html.render(whole | {"cells": cells}, tmp_path)
    targets = set(re.findall(r'href="#([^"]+)"', text))
    assert targets <= set(re.findall(r' id="([^"]+)"', text))
    assert {"curves-lip", "curves-coco", "samples-lip", "result-part_classification/coco/cae"} <= targets


def test_cells_can_be_narrowed_to_what_they_have() -> None:
    cells = [report_sample.cell(PROBE), report_sample.cell(PLACE, verdict="deviates", warning=True)]
    assert [(choice.name, choice.options) for choice in choices(cells)] == [
        ("verdict", (("deviates, unconfirmed", "deviates, unconfirmed"), ("not run", "not run"))),
        (
            "experiment",
            (("part_classification", "Part classification"), ("part_segmentation", "Part segmentation")),
        ),
        ("dataset", (("coco", "COCO"), ("lip", "LIP"))),
        ("encoder", (("dino", "DINO"), ("cae", "CAE"))),
    ]
