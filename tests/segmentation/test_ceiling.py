"""Ceilings: what perfect heads reach at one decision, or one share of each class, a patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from suite.datasets.segmentation import SegmentationSet
from suite.experiments import segmenting
from suite.metrics import SegmentationCounts
from suite.segmentation.ceiling import ceilings
from suite.segmentation.evaluate import SlideRecipe
from tests.support.small_trials import lip

SAME_SIZE = SlideRecipe(crop_px=16, stride_px=16, scale=(64, 16))
PATCH = 4


def masks(folder: Path, *labels: NDArray[np.int64], classes: int = 3) -> SegmentationSet:
    """A set of masks without images; label 0 of a file is ignored."""
    records = []
    for number, label in enumerate(labels):
        Image.fromarray(label.astype(np.uint8)).save(folder / f"{number}.png")
        records.append((folder / f"{number}.jpg", folder / f"{number}.png"))
    return SegmentationSet("made", tuple(records), tuple(f"class {k}" for k in range(classes)))


def reached(images: SegmentationSet, recipe: SlideRecipe = SAME_SIZE) -> dict[str, SegmentationCounts]:
    return dict(ceilings(images, recipe, PATCH))


def test_a_mask_of_one_class_is_reached_whole(tmp_path: Path) -> None:
    counts = reached(masks(tmp_path, np.full((16, 24), 2)))
    assert {kind: counted.mean_iou for kind, counted in counts.items()} == {"decided": 1.0, "shared": 1.0}


def test_a_straight_edge_between_patches_is_reached_and_one_within_a_patch_by_shares_alone(tmp_path: Path) -> None:
    edge = np.repeat([[1] * 8 + [2] * 8], 16, axis=0)
    assert reached(masks(tmp_path, edge))["decided"].mean_iou == 1
    inside = np.repeat([[1] * 9 + [2] * 7], 16, axis=0)
    counts = reached(masks(tmp_path, inside))
    # the third patch is of class 1 in its first column alone, and goes to class 2: a column of 16 pixels is lost
    assert counts["decided"].confusion[:2, :2].tolist() == [[8 * 16, 16], [0, 7 * 16]]
    assert counts["shared"].mean_iou == 1, "the share of class 1, a fourth, moves the edge by a pixel"


def test_what_is_finer_than_a_patch_is_out_of_reach(tmp_path: Path) -> None:
    dots = np.ones((16, 16), int)
    dots[1::4, 1::4] = 3
    counts = reached(masks(tmp_path, dots))
    assert counts["decided"].confusion[2].tolist() == [16, 0, 0]
    assert counts["decided"].mean_iou == pytest.approx((240 / 256 + 0) / 2)


def test_ignored_pixels_decide_nothing_and_an_image_of_nothing_else_is_left_out(tmp_path: Path) -> None:
    sparse = np.zeros((16, 16), int)
    sparse[:, 7] = 2
    counts = reached(masks(tmp_path, np.zeros((16, 16), int), sparse))
    assert counts["decided"].confusion.sum() == 16
    assert counts["decided"].mean_iou == 1


def test_windows_overlap_and_images_are_resized_as_in_the_evaluation(tmp_path: Path) -> None:
    halves = np.repeat([[1] * 20 + [3] * 20], 26, axis=0)
    counts = reached(masks(tmp_path, halves), SlideRecipe(crop_px=16, stride_px=8, scale=(64, 16)))
    assert counts["decided"].confusion.sum() == 26 * 40, "scored at the mask's own size"
    assert counts["decided"].pixel_accuracy > 0.9


def test_a_small_image_is_padded_up_to_the_crop(tmp_path: Path) -> None:
    counts = reached(masks(tmp_path, np.full((6, 40), 1)), SlideRecipe(crop_px=16, stride_px=8, scale=(40, 16)))
    assert counts["decided"].pixel_accuracy == 1


def test_a_trial_counts_them_once_for_all_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = lip(tmp_path)
    val = segmenting.label_set(trial, "val")
    first = segmenting.ceiling_of(trial, val)
    assert first.keys() == {"patch_px", "decided", "shared"}
    assert first["decided"].keys() == {"miou", "macc", "aacc"}
    monkeypatch.setattr(segmenting, "ceilings", None)
    assert segmenting.ceiling_of(trial, val) == first
