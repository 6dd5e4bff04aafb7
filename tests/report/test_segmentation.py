"""Segmentation in the report: Figure 6, training curves, sample predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suite.report import curves, html, plot
from suite.report.view.pictures import samples
from tests.support import report_sample


def strips(folder: Path | None = None) -> list[dict[str, Any]]:
    figures = [
        {"kind": "segmentation", "dataset": "lip", "method": method, "role": role, "path": f"{method}-{role}.png"}
        for method in ("mae", "dino")
        for role in ("image", "truth", "prediction")
    ]
    for figure in figures if folder else ():
        report_sample.strip(folder / figure["path"], 0)
    return figures


def segmentation_cells(dataset: str, experiment: str, values: dict[str, float]) -> list[dict[str, Any]]:
    return [
        report_sample.cell((experiment, dataset, method, "linear_head", "miou"), measured=value)
        for method, value in values.items()
    ]


def test_image_and_truth_stand_once_and_above_the_predictions() -> None:
    [gallery] = samples(strips())
    assert gallery.dataset == "LIP"
    assert [title for title, _ in gallery.rows] == ["image", "truth", "DINO", "MAE"]
    assert gallery.rows[3][1] == "mae-prediction.png"


def test_figure_6_sets_objects_against_parts_of_the_same_images() -> None:
    cells = segmentation_cells("ade20k_object", "object_segmentation", {"dino": 30.0, "mae": 20.0})
    cells += segmentation_cells("ade20k_part", "part_segmentation", {"dino": 11.0, "mae": 12.0})
    [drawing] = plot.plots(cells)
    assert "ADE20K-Object" in drawing.alt
    assert "ADE20K-Part" in drawing.alt
    assert "DINO 30.0, 11.0; MAE 20.0, 12.0" in drawing.alt


def test_a_plot_for_the_loss_and_one_for_what_was_measured_while_training() -> None:
    drawings = curves.curves(report_sample.trainings(), [])
    assert [c.caption for c in drawings] == [
        "LIP: training loss",
        "LIP: accuracy on training batches",
        "LIP: mIoU on evaluation data",
    ]
    assert "DINO 1; MAE 0.75" in drawings[0].alt
    assert "DINO 40; MAE 30" in drawings[1].alt
    assert "DINO 24; MAE 18" in drawings[2].alt


def test_an_auxiliary_head_has_a_plot_of_its_own() -> None:
    dino, mae = report_sample.trainings()
    drawings = curves.curves([dino | {"auxiliary_losses": [1.2, 0.8, 0.5]}, mae], [])
    assert [c.caption for c in drawings][:2] == ["LIP: training loss", "LIP: training loss of the auxiliary head"]
    assert drawings[1].alt.endswith("loss x 0.4 over step; last values: DINO 0.5.")


def test_a_single_evaluation_makes_no_curve() -> None:
    trainings = [t | {"evaluations": t["evaluations"][-1:]} for t in report_sample.trainings()]
    assert [c.caption for c in curves.curves(trainings, [])] == [
        "LIP: training loss",
        "LIP: accuracy on training batches",
    ]


def test_a_head_of_a_classification_probe_has_plots_of_its_own_and_only_at_the_stated_rate() -> None:
    place = {"experiment": "part_classification", "dataset": "coco", "setting": "attentive", "metric": "accuracy"}
    dino, mae = (training | place for training in report_sample.trainings())
    drawings = curves.curves([dino, dino | {"rate": 0.1, "losses": [3.0, 9.0, 9.0], "stated": False}, mae], [])
    assert [c.caption for c in drawings] == [
        "COCO, attentive probe: training loss",
        "COCO, attentive probe: accuracy on training batches",
        "COCO, attentive probe: accuracy on evaluation data",
    ]
    assert drawings[0].alt == (
        "Line plot, COCO, attentive probe: training loss, loss of an item over step; last values: DINO 1; MAE 0.75."
    )


def test_the_heads_of_the_sweep_are_drawn_as_its_values_alone() -> None:
    place = {"experiment": "learning_rate_sweep", "setting": "lr_1e-3"}
    assert curves.curves([training | place for training in report_sample.trainings()], []) == []


def test_a_training_of_an_older_version_has_no_accuracies() -> None:
    trainings = [training | {"accuracies": [], "rate": None, "end": None} for training in report_sample.trainings()]
    assert "LIP: accuracy on training batches" not in [c.caption for c in curves.curves(trainings, [])]


def test_the_sweep_is_ordered_by_learning_rate() -> None:
    cells = [
        report_sample.cell(("learning_rate_sweep", "lip", "dino", f"lr_{rate}", "miou"), measured=value)
        for rate, value in (("1e-3", 9.0), ("1e-5", 3.0), ("4e-4", 7.0))
    ]
    [drawing] = curves.curves([], cells)
    assert drawing.alt.endswith("last values: DINO 9.")


def test_methods_of_a_family_share_a_colour_and_differ_in_dashes() -> None:
    styles = curves.line_styles(["mae", "beit", "dino"])
    assert styles["beit"][0] == styles["mae"][0] != styles["dino"][0]
    assert styles["beit"][1] != styles["mae"][1]


def test_the_page_shows_them(tmp_path: Path) -> None:
    report = report_sample.report() | {"figures": strips(tmp_path)}
    text = html.render(report, tmp_path)
    assert 'alt="LIP: truth"' in text
    assert "Line plot, LIP: training loss" in text
    assert "picture missing" not in text


def test_the_rates_of_a_probe_are_a_plot_for_each_head() -> None:
    place = {"experiment": "image_classification", "dataset": "imagenet1k", "method": "dino"}
    rates = [
        place | {"setting": setting, "points": [[0.1, 20.0], [0.4, value]]}
        for setting, value in (("linear", 30.0), ("attentive", 40.0))
    ]
    drawings = curves.curves([], [], [*rates, rates[0] | {"method": "mae", "points": [[0.1, 5.0], [0.4, 6.0]]}])
    assert [c.caption for c in drawings] == [
        "Image classification, ImageNet-1K: linear probe by learning rate",
        "Image classification, ImageNet-1K: attentive probe by learning rate",
    ]
    assert "DINO 30; MAE 6" in drawings[0].alt
