"""How far trained values move from machine to machine is measured, and its file is read or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cells import CellId
from suite.core.paths import EXPECTED as ROOT
from suite.reference.expected import load_expected
from suite.reference.slack import load_slack
from tests.support.refusals import refusal

SLACK_FILE = """
[measured]
how = "threads 1 and 2"
date = "2026-01-31"
commit = "0123abc"
[part_classification.accuracy]
points = 0.3
reason = "two items of 664"
[part_classification.accuracy.apart.cub200.attentive]
random_init = 0.9
[part_segmentation.miou]
points = 0
reason = "none seen"
"""


def test_measured_slack_reads_back(tmp_path: Path) -> None:
    (tmp_path / "machine_slack.toml").write_text(SLACK_FILE)
    assert load_slack(tmp_path) == {
        ("part_classification", "accuracy"): 0.3,
        CellId("part_classification", "cub200", "random_init", "attentive", "accuracy"): 0.9,
        ("part_segmentation", "miou"): 0,
    }


def test_every_trained_metric_has_a_slack() -> None:
    trained_metrics = {(c.experiment, c.metric) for c, e in load_expected("mini", ROOT).items() if e.by_seed}
    assert {key for key in load_slack(ROOT) if not isinstance(key, CellId)} == trained_metrics


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('how = "threads 1 and 2"\n', "", "measured.how: missing: expected a text"),
        ("points = 0.3\n", "", "part_classification.accuracy.points: missing: expected a number >= 0"),
        ("points = 0.3", "points = -0.3", "part_classification.accuracy.points: expected a number >= 0, got -0.3"),
        ('reason = "none seen"', "", "part_segmentation.miou.reason: missing: expected a text"),
        (
            "points = 0.3",
            "points = 0.3\nof = 1",
            "part_classification.accuracy.of: unknown key: expected one of points, reason, apart",
        ),
        ("accuracy", "top1", "part_classification.top1: unknown metric: expected one of accuracy"),
        (
            "part_classification",
            "parts",
            "parts: unknown experiment: expected one of object_retrieval, image_classification, part_retrieval, "
            "part_classification, patch_search, object_segmentation, part_segmentation, learning_rate_sweep",
        ),
    ],
)
def test_a_broken_slack_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SLACK_FILE
    (tmp_path / "machine_slack.toml").write_text(SLACK_FILE.replace(old, new, 1))
    assert refusal(load_slack, tmp_path) == f"{tmp_path / 'machine_slack.toml'}: {message}"
