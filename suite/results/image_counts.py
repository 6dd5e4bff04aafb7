"""Pixels of every image by class: what IoU and accuracies are read off, and kept as the evidence of a stored value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = ("sizes", "classes", "pixels")
"""Names of the arrays that `pack` makes."""


@dataclass(frozen=True)
class ImageCounts:
    """Labelled pixels of N images, by C classes; images and classes that nothing was counted for hold zeros.

    Attributes:
        correct: (N, C) pixels that are of a class in truth and by prediction.
        predicted: (N, C) labelled pixels that were said to be of it.
        labelled: (N, C) pixels that are of it.
    """

    correct: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labelled: NDArray[np.int64]

    @classmethod
    def zeros(cls, images: int, num_classes: int) -> ImageCounts:
        """Return counts of nothing yet."""
        correct, predicted, labelled = np.zeros((3, images, num_classes), np.int64)
        return cls(correct, predicted, labelled)

    @property
    def union(self) -> NDArray[np.int64]:
        """Labelled pixels (N, C) that are of a class in truth or by prediction."""
        return self.predicted + self.labelled - self.correct

    @property
    def image_iou(self) -> NDArray[np.float64]:
        """Mean IoU (N,) over the classes present in an image or predicted there; NaN where no pixel is labelled."""
        union = self.union
        return ratio(np.nansum(ratio(self.correct, union), axis=1), np.count_nonzero(union, axis=1))

    def percent(self) -> dict[str, float]:
        """Return mIoU, mAcc and aAcc over all images, per cent; NaN where no pixel is labelled.

        A class without denominator is left out of the means, as in `suite.metrics.SegmentationCounts`.
        """
        correct, union, labelled = (counts.sum(axis=0) for counts in (self.correct, self.union, self.labelled))
        shares = {"miou": ratio(correct, union), "macc": ratio(correct, labelled)}
        shares["aacc"] = ratio(correct.sum(keepdims=True), labelled.sum(keepdims=True))
        return {
            metric: 100 * float(share[~np.isnan(share)].mean()) if labelled.any() else float("nan")
            for metric, share in shares.items()
        }


def pack(runs: Sequence[ImageCounts]) -> dict[str, NDArray[Any]]:
    """Pack counts of R runs without their zeros: 13 bytes per image and class that is there or was predicted.

    Args:
        runs: of the same N images, and at most 255 classes.

    Returns:
        sizes: (R, N) uint8, classes that an image holds.
        classes: (M,) uint8, which, image by image and run by run.
        pixels: (M, 3) uint32, correct, predicted and labelled ones.
    """
    masks = [run.union > 0 for run in runs]
    pixels = [
        np.stack([run.correct[mask], run.predicted[mask], run.labelled[mask]], axis=1)
        for run, mask in zip(runs, masks, strict=True)
    ]
    return {
        "sizes": np.stack([mask.sum(axis=1) for mask in masks]).astype(np.uint8),
        "classes": np.concatenate([mask.nonzero()[1] for mask in masks]).astype(np.uint8),
        "pixels": np.concatenate(pixels).astype(np.uint32),
    }


def unpack(arrays: Mapping[str, NDArray[Any]]) -> list[ImageCounts]:
    """Unpack the counts that `pack` made smaller; classes after the last one that is there are not.

    Raises:
        ValueError: the arrays do not fit together.
    """
    sizes, classes, pixels = (arrays[part] for part in PARTS)
    if pixels.shape != (len(classes), 3) or int(sizes.sum()) != len(classes):
        raise ValueError(f"counts: expected {int(sizes.sum())} classes, got {len(classes)} with {pixels.shape} pixels")
    width = int(classes.max(initial=0)) + 1
    runs = []
    ends = sizes.sum(axis=1, dtype=np.int64).cumsum()
    for row, end in zip(sizes, ends, strict=True):
        span = slice(int(end - row.sum(dtype=np.int64)), int(end))
        counts = ImageCounts.zeros(len(row), width)
        places = np.repeat(np.arange(len(row)), row), classes[span]
        for column, target in enumerate((counts.correct, counts.predicted, counts.labelled)):
            target[places] = pixels[span, column]
        runs.append(counts)
    return runs


def ratio(part: NDArray[np.number], whole: NDArray[np.integer]) -> NDArray[np.float64]:
    """Divide element by element; NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
