"""A value taken apart by image is put together again to the value that the items score."""

from __future__ import annotations

import numpy as np
import pytest

from suite.results.evidence import recompute
from suite.results.image_counts import ImageCounts, pack
from suite.results.image_sums import image_sums
from suite.results.records import PerItemScores

GROUPS = np.array([5, 5, 2, 9, 9, 9], np.int32)
LABELS = np.array([1, 0, 0, 1, 1, 0], np.int32)


def counts(seed: int) -> ImageCounts:
    """Pixels of six images of four classes, of which the third is nowhere."""
    draw = np.random.default_rng(seed)
    correct, missed, wrong = draw.integers(0, 50, (3, 6, 4)) * np.array([1, 1, 0, 1])
    return ImageCounts(correct, correct + wrong, correct + missed)


def items() -> PerItemScores:
    draw = np.random.default_rng(0)
    ap = draw.uniform(0, 1, (1, 6))
    ap[0, 3] = np.nan
    evidence = {"labels": LABELS} | {f"head.{part}": array for part, array in pack([counts(1), counts(2)]).items()}
    flags = draw.integers(0, 2, (2, 6)).astype(bool)
    return PerItemScores({"encoded/ap": ap, "linear/accuracy": flags}, "i", GROUPS, evidence)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("encoded/ap", 1),
        ("linear/accuracy", 1),
        ("encoded/map", 2),
        ("head/miou", 3),
        ("head/macc", 3),
        ("head/aacc", 1),
    ],
)
def test_sums_give_the_value_that_the_items_score(name: str, classes: int) -> None:
    sums = image_sums(items(), name)
    expected = recompute(items(), name)
    assert sums is not None
    assert expected is not None
    assert sums.value == pytest.approx(np.mean(expected), abs=1e-9)
    images = 6 if name.startswith("head") else 3
    assert sums.parts.shape == sums.wholes.shape == (images, len(expected), classes)


def test_an_image_alone_has_the_value_of_its_items() -> None:
    sums = image_sums(items(), "linear/accuracy")
    flags = items().scores["linear/accuracy"].mean(axis=0)
    assert sums is not None
    assert sums.by_image == pytest.approx([100 * flags[2], 100 * flags[:2].mean(), 100 * flags[3:].mean()])
    ap = image_sums(items(), "encoded/ap")
    assert ap is not None
    scores = items().scores["encoded/ap"][0]
    assert ap.by_image == pytest.approx([100 * scores[2], 100 * scores[:2].mean(), 100 * scores[4:].mean()])
    miou = image_sums(items(), "head/miou")
    assert miou is not None
    assert miou.by_image == pytest.approx(100 * (counts(1).image_iou + counts(2).image_iou) / 2)


def test_an_image_without_a_score_has_no_value() -> None:
    lonely = PerItemScores({"encoded/ap": np.array([[0.5, np.nan]])}, "i", np.array([0, 1], np.int32))
    sums = image_sums(lonely, "encoded/ap")
    assert sums is not None
    assert sums.value == 50.0
    np.testing.assert_array_equal(sums.by_image, [50.0, np.nan])


def test_where_items_do_not_tell_there_are_no_sums() -> None:
    assert image_sums(items(), "other/ap") is None
    assert image_sums(items(), "other/map") is None
    assert image_sums(items(), "other/miou") is None
