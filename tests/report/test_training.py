"""Was it trained to the end: what results tell, what cells say, and where a reader meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suite.cells import CellId
from suite.core.files import Json
from suite.report import html, markdown, trained
from suite.report.ceilings import ceilings
from suite.report.view.page import page
from suite.report.view.tables import paper_tables
from suite.report.view.training import heads, sentence
from suite.results.store import Key, Result
from tests.support import report_sample

MARKED = {"fall": 0.2, "fall_se": 0.01, "slope": -0.02, "slope_se": 0.01, "whole": 1.0}
DONE = MARKED | {"fall": 0.01}
PLACE = ("part_classification", "coco", "cae", "attentive", "accuracy")


def training(setting: str = "attentive", **changes: Any) -> dict[str, Any]:
    head = {"setting": setting, "metric": "accuracy", "seed": 0, "rate": 0.02, "stated": True}
    curve = {"steps": [10, 20], "losses": [2.0, 1.0], "accuracies": [30.0, 71.5], "evaluations": [[20, 60.25]]}
    curve["evaluation_losses"] = [[20, 1.25]]
    return head | curve | {"end": MARKED} | changes


def result(place: str, values: dict[str, list[float]], *, seeds: tuple[int, ...] = (0,), **summaries: Any) -> Result:
    return Result(Key(*place.split("/")), values, summaries, {}, {}, {"seeds": list(seeds)})


PROBES = result(
    "part_classification/coco/cae",
    {"linear/accuracy": [55.0], "attentive/accuracy": [60.25]},
    trainings=[
        training("linear", end=DONE),
        training(),
        training(rate=0.04, stated=False, end=DONE),
    ],
    rates={"attentive": [[0.02, 60.25], [0.04, 61.5]]},
)


def test_every_head_of_the_first_seed_is_listed() -> None:
    both_seeds = [training(), training(seed=1)]
    entries = trained.trainings([result("part_classification/coco/cae", {}, seeds=(0, 1), trainings=both_seeds)])
    assert entries == [{"experiment": "part_classification", "dataset": "coco", "method": "cae"} | both_seeds[0]]


def test_a_result_of_an_older_version_has_its_one_segmentation_head() -> None:
    old = {"steps": [1], "losses": [2.0], "evaluations": [[1, 12.0]]}
    [entry] = trained.trainings([result("part_segmentation/lip/mae", {}, seeds=(3,), training=old)])
    assert entry.items() >= (old | {"setting": "linear_head", "seed": 3, "accuracies": [], "end": None}).items()


def test_cells_tell_of_their_own_head_and_of_the_best_rate() -> None:
    cells = trained.of_cells([PROBES])
    attentive, linear = (cells[CellId(*PLACE[:3], setting, "accuracy")] for setting in ("attentive", "linear"))
    assert (attentive["not_converged"], attentive["share"]) == (True, 0.2)
    assert (linear["not_converged"], linear["share"], linear["rates"]) == (False, 0.01, None)
    assert attentive["rates"] == {"stated": 0.02, "value": 60.25, "best": 0.04, "best_value": 61.5, "count": 2}
    assert (attentive["loss"], attentive["train"], attentive["evaluation"]) == (1.0, 71.5, 60.25)


def test_the_sweep_tells_of_the_segmentation_of_the_same_images() -> None:
    head = {"metric": "miou"}
    sweep = result(
        "learning_rate_sweep/lip/mae",
        {"lr_1e-4/miou": [20.0, 22.0], "lr_1e-3/miou": [30.0, 32.0]},
        trainings=[training("lr_1e-4", rate=1e-4, **head), training("lr_1e-3", rate=1e-3, **head)],
    )
    primary = result(
        "part_segmentation/lip/mae",
        {"linear_head/miou": [28.0], "linear_head/macc": [40.0]},
        trainings=[training("linear_head", rate=1e-2, **head)],
    )
    other = result(
        "part_segmentation/lip/dino", {"linear_head/miou": [28.0]}, trainings=[training("linear_head", **head)]
    )
    cells = trained.of_cells([sweep, primary, other])
    best = {"best": 1e-3, "best_value": 31.0}
    stand = {"stated": 1e-2, "value": 28.0, "count": 3}
    assert cells[CellId("part_segmentation", "lip", "mae", "linear_head", "miou")]["rates"] == best | stand
    assert cells[CellId("part_segmentation", "lip", "mae", "linear_head", "macc")]["rates"] is None
    assert cells[CellId("part_segmentation", "lip", "dino", "linear_head", "miou")]["rates"] is None
    own = cells[CellId("learning_rate_sweep", "lip", "mae", "lr_1e-4", "miou")]["rates"]
    assert own == best | {"stated": 1e-4, "value": 21.0, "count": 2}


def test_retrieval_trains_nothing() -> None:
    assert trained.of_cells([result("part_retrieval/cub200/dino", {"encoded/ap": [30.0]})]) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "Not converged: in the last tenth its loss fell by 20.0 % of its whole fall; accuracy 71.50 on training "
            "batches, 60.25 on evaluation data; learning rates: 61.50 at 0.04, the best of 2; 60.25 at this rate, "
            "0.02 (+1.25).",
        ),
        (
            {"not_converged": False, "rates": {"stated": 1, "value": 5.0, "best": 1, "best_value": 5.0, "count": 3}},
            "Converged: in the last tenth its loss fell by 20.0 % of its whole fall; accuracy 71.50 on training "
            "batches, 60.25 on evaluation data; learning rates: 5.00 at this rate, 1, the best of 3.",
        ),
        (
            {"not_converged": None, "reason": "cannot be told: too few steps", "rates": None, "train": None},
            "Whether it converged cannot be told: too few steps; accuracy 60.25 on evaluation data.",
        ),
    ],
)
def test_a_cell_says_it_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    assert sentence(trained.of_cells([PROBES])[CellId(*PLACE)] | changes) == said
    assert sentence(None) == ""


@pytest.fixture
def marked_report() -> Json:
    cells = trained.of_cells([PROBES])
    shown = [
        report_sample.cell(PLACE, measured=60.25, verdict="reproduced", training=cells[CellId(*PLACE)]),
        report_sample.cell((*PLACE[:3], "linear", "accuracy"), measured=55.0, verdict="reproduced"),
    ]
    shown[1]["training"] = cells[CellId(*PLACE[:3], "linear", "accuracy")]
    return report_sample.report() | {"cells": shown, "trainings": trained.trainings([PROBES])}


def test_heads_are_summed_up(marked_report: Json) -> None:
    attentive, linear = heads(marked_report["cells"])
    assert (attentive.title, attentive.trained) == ("Part classification, COCO, attentive", 1)
    assert attentive.not_converged == ("CAE 20 %",)
    assert attentive.rates == ("CAE 61.50 at 0.04 (+1.25)",)
    assert (linear.not_converged, linear.unknown, linear.rates) == ((), 0, ())


def test_the_mark_stands_in_the_table_the_legend_and_the_cell(marked_report: Json, tmp_path: Path) -> None:
    [mark] = page(marked_report).tables.marks
    assert mark.word == "not converged"
    text = html.render(marked_report, tmp_path)
    table = text.split('<h2 id="tables">')[1].split("</section>")[0]
    assert table.count('<span class="hidden">not converged</span>') == 1
    assert "beside a verdict, which it leaves as it is" in table
    assert "Not converged: in the last tenth its loss fell by 20.0 %" in text.split('<h2 id="cells">')[1]
    assert "✅ 60.2 ↘️" in markdown.render(marked_report)
    assert "not converged (last fall of the loss)" in markdown.render(marked_report)


def test_without_a_mark_there_is_no_legend(marked_report: Json, tmp_path: Path) -> None:
    report = marked_report | {"cells": marked_report["cells"][1:]}
    assert page(report).tables.marks == ()
    assert "beside a verdict" not in html.render(report, tmp_path)


def test_ceilings_are_listed_once_and_stand_below_their_columns(tmp_path: Path) -> None:
    ceiling = {"patch_px": 8, "decided": {"miou": 40.2, "aacc": 74.2}, "shared": {"miou": 39.4, "aacc": 75.0}}
    values = {"linear_head/miou": [12.0]}
    results = [result(f"part_segmentation/lip/{method}", values, ceiling=ceiling) for method in ("mae", "dino")]
    entries = ceilings("mini", results)
    assert len(entries) == 4
    cells = [report_sample.cell(("part_segmentation", "lip", "mae", "linear_head", m)) for m in ("miou", "macc")]
    table = next(table for table in paper_tables(cells, entries) if table.title == "Table 4")
    assert [(row.title, row.values) for row in table.ceilings] == [
        ("perfect classes", ("40.2", None)),
        ("perfect shares", ("39.4", None)),
    ]
    assert table.ceilings[0].note == "patches of 8 px"
    report = report_sample.report() | {"cells": [c | {"verdict": "reproduced", "measured": 9.0} for c in cells]}
    text = html.render(report | {"ceilings": entries}, tmp_path)
    assert "Ceilings, by masks and labels alone" in text
    assert "_perfect classes_ (patches of 8 px)" in markdown.render(report | {"ceilings": entries})
    assert "Ceilings, by masks and labels alone" not in html.render(report | {"ceilings": []}, tmp_path)


def test_wrong_labels_are_a_ceiling_of_the_paper_alone() -> None:
    probe = result("image_classification/imagenet1k/mae", {"linear/top1": [60.0]})
    assert ceilings("mini", [probe]) == []
    place = {"experiment": "image_classification", "dataset": "imagenet1k", "metric": "top1"}
    assert ceilings("paper", [probe, probe]) == [{"kind": "labels", "patch_px": None, **place, "value": 94.0}]
