from __future__ import annotations

import numpy as np
import pytest
import torch

from suite.errors import MetricError
from suite.metrics import SegmentationCounts
from tests.support import oracles


def metrics(counts: SegmentationCounts) -> list[float]:
    return [counts.mean_iou, counts.mean_accuracy, counts.pixel_accuracy]


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_by_hand(kind):
    """Class 0: 1 of union 2; class 1: 2 of union 4; class 2: false alarms only; class 3 absent; one pixel ignored."""
    counts = SegmentationCounts(4)
    counts.update(kind([[0, 1, 1, 2], [1, 2, 0, 3]]), kind([[0, 1, 1, 1], [0, 1, 255, 255]]))
    assert counts.iou[:3].tolist() == [1 / 2, 2 / 5, 0]
    assert np.isnan(counts.iou[3])
    assert counts.mean_iou == pytest.approx((1 / 2 + 2 / 5 + 0) / 3)
    assert counts.mean_accuracy == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert counts.pixel_accuracy == 3 / 6


def test_counts_are_summed_over_images_not_averaged():
    """One image all right with 4 pixels, one all wrong with 1: 4 of 5, not a mean of 1 and 0."""
    counts = SegmentationCounts(2)
    counts.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    counts.update(np.ones((1, 1), np.uint8), np.zeros((1, 1), np.uint8))
    assert metrics(counts) == pytest.approx([(4 / 5 + 0) / 2, 4 / 5, 4 / 5])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ignore", [255, 0])
def test_equals_the_oracle(seed, ignore):
    rng = np.random.default_rng(seed)
    prediction, target = rng.integers(0, 6, (2, 3, 8, 8))
    target[rng.random(target.shape) < 0.2] = ignore
    counts = SegmentationCounts(7, ignore_index=ignore)
    for guess, truth in zip(prediction, target, strict=True):
        counts.update(guess.astype(np.uint8), torch.from_numpy(truth))
    assert metrics(counts) == pytest.approx(oracles.segmentation(prediction, target, 7, ignore))


def test_predictions_under_ignored_pixels_are_not_read():
    counts = SegmentationCounts(2)
    target = np.array([[0, 1, 255]], np.uint8)
    counts.update(target, target)
    assert metrics(counts) == [1, 1, 1]


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ([0, 1], [0, 2], "target: expected classes in [0, 2) or 255, got 2 in 1 pixels"),
        ([0, 2], [0, 1], "prediction: expected classes in [0, 2), got 2 in 1 pixels"),
        ([-1, -1], [0, 1], "prediction: expected classes in [0, 2), got -1 in 2 pixels"),
        ([0], [0, 1], "prediction: expected shape (2,), as target has, got (1,)"),
        ([0.0, 1.0], [0, 1], "prediction: expected integers, got torch.float64"),
        ([], [], "prediction: expected shape (P,) and at least one item, got (0,)"),
    ],
)
def test_update_refuses_and_counts_nothing(prediction, target, message):
    counts = SegmentationCounts(2)
    with pytest.raises(MetricError) as error:
        counts.update(np.array(prediction), np.array(target))
    assert str(error.value) == message
    assert not counts.confusion.any()


@pytest.mark.parametrize("metric", ["mean_iou", "mean_accuracy", "pixel_accuracy"])
def test_nothing_labelled_has_no_metric(metric):
    counts = SegmentationCounts(2)
    counts.update(np.array([0, 1]), np.array([255, 255]))
    with pytest.raises(MetricError) as error:
        getattr(counts, metric)
    assert str(error.value) == "segmentation: expected at least one labelled pixel, got none"


def test_a_class_is_needed():
    with pytest.raises(MetricError) as error:
        SegmentationCounts(0)
    assert str(error.value) == "num_classes: expected at least 1, got 0"
