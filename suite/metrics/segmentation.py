"""Segmentation metrics from pixel counts over a whole dataset."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.errors import MetricError
from suite.metrics.arrays import Array, comparable, integer, integers
from suite.protocol.constants import constant

IGNORED: int = constant("segmentation", "ignored_label")


class SegmentationCounts:
    """Pixels of each (true, predicted) class, summed over images; the metrics are read off the sums.

    A class whose denominator is zero has no value and is left out of the means.

    Source: section 4.2; official code, segmentation/mmseg/core/evaluation/metrics.py. Deviates: an illegal label is
    an error there only by accident (label C is counted as class C-1), here always.
    """

    def __init__(self, num_classes: int, ignore_index: int = IGNORED) -> None:
        """Start from zero.

        Args:
            num_classes: C; classes are 0..C-1.
            ignore_index: label of pixels that do not count; wins over the class of that number. It is compared as a
                number: one that the type of a mask cannot hold ignores nothing there.

        Raises:
            MetricError: no integers, or no class.
        """
        self.num_classes = integer(num_classes, "num_classes")
        self.ignore_index = integer(ignore_index, "ignore_index")
        if self.num_classes < 1:
            raise MetricError(f"num_classes: expected at least 1, got {num_classes}")
        self.confusion: NDArray[np.int64] = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, prediction: Array, target: Array) -> None:
        """Count the pixels of one image or batch.

        Args:
            prediction: integers of any type in [0, C), any shape; read only where the target counts.
            target: same shape, integers of any type in [0, C) or `ignore_index`.

        Raises:
            MetricError: empty or mismatched arrays, illegal or fractional numbers; nothing is counted then.
        """
        guess, truth = self._integers(prediction, "prediction"), self._integers(target, "target")
        if guess.shape != truth.shape:
            shapes = f"{tuple(truth.shape)}, as target has, got {tuple(guess.shape)}"
            raise MetricError(f"prediction: expected shape {shapes}")
        kept = comparable(truth, self.ignore_index) != self.ignore_index
        guess, truth = guess.to(truth.device)[kept].long(), truth[kept].long()
        self._check(guess, "prediction")
        self._check(truth, "target")
        cells = torch.bincount(truth * self.num_classes + guess, minlength=self.num_classes**2)
        self.confusion += cells.view(self.num_classes, self.num_classes).cpu().numpy()

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C,) intersection over union of each class, fractions; NaN where a class was never true nor predicted."""
        correct = self.confusion.diagonal()
        return _ratio(correct, self.confusion.sum(0) + self.confusion.sum(1) - correct)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(C,) share of each class's pixels that were found, fractions; NaN where a class was never true."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(1))

    @property
    def mean_iou(self) -> float:
        """mIoU, a fraction."""
        return self._mean(self.iou)

    @property
    def mean_accuracy(self) -> float:
        """mAcc, a fraction."""
        return self._mean(self.accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """aAcc: share of labelled pixels that are right, a fraction."""
        return self._mean(_ratio(self.confusion.trace()[None], self.confusion.sum()[None]))

    def _mean(self, values: NDArray[np.float64]) -> float:
        if not self.confusion.any():
            raise MetricError("segmentation: expected at least one labelled pixel, got none")
        return float(np.nanmean(values))

    def _integers(self, values: Array, name: str) -> Tensor:
        labels = integers(values, name)
        if not labels.numel():
            raise MetricError(f"{name}: expected shape (P,) and at least one item, got (0,)")
        return labels

    def _check(self, labels: Tensor, name: str) -> None:
        illegal = labels[(labels < 0) | (labels >= self.num_classes)]
        if len(illegal):
            legal = f"[0, {self.num_classes})" + (f" or {self.ignore_index}" if name == "target" else "")
            raise MetricError(f"{name}: expected classes in {legal}, got {int(illegal[0])} in {len(illegal)} pixels")


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
