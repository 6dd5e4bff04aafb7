"""A value taken apart by image: what an interval over images draws again.

Every metric of the suite is a ratio of sums over images, averaged over classes: of an accuracy and of AP there is one
class, the score of items by their number; of mean AP the classes of the queries; of mean IoU the pixels in the
intersection by those in the union. So the value of any choice of images follows from a few numbers an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.results.evidence import AVERAGES, FLAGS, PIXELS
from suite.results.image_counts import PARTS, ImageCounts, unpack
from suite.results.records import PerItemScores

_RATIOS = {"miou": ("correct", "union"), "macc": ("correct", "labelled"), "aacc": ("correct", "labelled")}


@dataclass(frozen=True)
class ImageSums:
    """Sums behind a value.

    Attributes:
        parts: (I, R, C) sums of an image's scores, a row per seed, by class.
        wholes: (I, R, C) what they are divided by; a class for which it is 0 is left out of the mean.
    """

    parts: NDArray[np.float64]
    wholes: NDArray[np.float64]

    @property
    def value(self) -> float:
        """The value over all images, mean over seeds; per cent."""
        return float(percent(self.parts.sum(axis=0), self.wholes.sum(axis=0)))

    @property
    def by_image(self) -> NDArray[np.float64]:
        """The value of every image alone (I,), per cent; NaN where it has nothing to score."""
        return percent(self.parts, self.wholes)


def percent(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide sums (..., R, C), average over classes, then over seeds; NaN where there is no class."""
    shares = np.divide(parts, wholes, out=np.zeros(parts.shape), where=wholes > 0)
    classes = np.count_nonzero(wholes > 0, axis=-1)
    means = np.divide(shares.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0)
    result: NDArray[np.float64] = 100 * means.mean(axis=-1)
    return result


def image_sums(items: PerItemScores, name: str) -> ImageSums | None:
    """Take one `setting/metric` apart; None where the items do not tell, as `suite.results.evidence.recompute`.

    Raises:
        ValueError: the items do not fit together.
    """
    setting, metric = name.split("/")
    if metric in (*FLAGS, *AVERAGES) and name in items.scores:
        return sums_of_scores(items.scores[name], items.groups)
    if metric == "map" and f"{setting}/ap" in items.scores and "labels" in items.evidence:
        return sums_of_scores(items.scores[f"{setting}/ap"], items.groups, items.evidence["labels"])
    arrays = {part: items.evidence.get(f"{setting}.{part}") for part in PARTS}
    counts = {part: array for part, array in arrays.items() if array is not None}
    if metric in PIXELS and len(counts) == len(PARTS):
        return _of_pixels(unpack(counts), metric)
    return None


def sums_of_scores(
    rows: NDArray[np.generic], groups: NDArray[np.int32], labels: NDArray[np.integer] | None = None
) -> ImageSums:
    """Sum scores by image and class; items without a score count for nothing.

    Args:
        rows: (R, N), a row per seed.
        groups: (N,) image of each item.
        labels: (N,) class of each item; None where the value is the mean of all items.
    """
    labels = np.zeros(len(groups), np.int64) if labels is None else labels
    scores = rows.astype(np.float64)
    is_scored = ~np.isnan(scores)
    images, image_of = np.unique(groups, return_inverse=True)
    classes, class_of = np.unique(labels, return_inverse=True)
    parts, wholes = np.zeros((2, len(images), len(scores), len(classes)))
    seeds = np.arange(len(scores))[:, None]
    place = (image_of[None, :], seeds, class_of[None, :])
    np.add.at(parts, place, np.where(is_scored, scores, 0.0))
    np.add.at(wholes, place, is_scored)
    return ImageSums(parts, wholes)


def _of_pixels(runs: Sequence[ImageCounts], metric: str) -> ImageSums:
    part, whole = _RATIOS[metric]
    parts, wholes = (np.stack([getattr(run, word) for run in runs], axis=1).astype(float) for word in (part, whole))
    if metric == "aacc":
        parts, wholes = (array.sum(axis=-1, keepdims=True) for array in (parts, wholes))
    is_there = wholes.any(axis=(0, 1))  # most classes are in no image, and would be drawn again for nothing
    return ImageSums(parts[..., is_there], wholes[..., is_there])
