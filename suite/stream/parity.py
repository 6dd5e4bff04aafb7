"""Whether the fast way to pixels is near enough to PIL's to be judged by; measured on the images at hand.

What libjpeg or the vector instructions of a machine do is not known beforehand, so every run looks for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from suite.errors import DatasetError
from suite.stream.augment import evaluation_region, training_region
from suite.stream.decode import Decoder, exact, fast

MAX_LEVELS = 4
"""Largest difference of a value, of 255: PyTorch keeps filter weights in 16 bits, PIL in 22; both round twice."""
MEAN_LEVELS = 0.05
"""Mean difference of a value: a twentieth of what storing pixels as bytes costs already (0.25 on average)."""
SAMPLE = 24


@dataclass(frozen=True)
class Parity:
    """How far the fast way is from PIL, in levels of 0 to 255.

    Attributes:
        images: how many were looked at, each as a training and as an evaluation crop.
        max_levels: largest difference of a value.
        mean_levels: mean difference of a value.
    """

    images: int
    max_levels: int
    mean_levels: float

    @property
    def passes(self) -> bool:
        """Both bounds are kept."""
        return self.max_levels <= MAX_LEVELS and self.mean_levels <= MEAN_LEVELS

    def __str__(self) -> str:
        return f"at most {self.max_levels} levels, {self.mean_levels:.4f} on average, over {self.images} images"


def parity(paths: Sequence[Path], size: int) -> Parity:
    """Compare both ways on evenly spaced images.

    Args:
        paths: the images of a set.
        size: side of the squares, pixels.

    Raises:
        DatasetError: no images, or one that cannot be read.
    """
    if not paths:
        raise DatasetError("decoder parity: expected images to compare on, got none")
    sample = [paths[i * len(paths) // SAMPLE] for i in range(min(SAMPLE, len(paths)))] if len(paths) > SAMPLE else paths
    largest, means = 0, []
    for number, path in enumerate(sample):
        for region_of in (
            lambda w, h, number=number: training_region(w, h, size, seed=0, epoch=0, index=number),
            lambda w, h: evaluation_region(w, h, size),
        ):
            levels = np.abs(exact(path, region_of).astype(np.int16) - fast(path, region_of))
            largest = max(largest, int(levels.max()))
            means.append(float(levels.mean()))
    return Parity(len(sample), largest, float(np.mean(means)))


def choose_decoder(paths: Sequence[Path], size: int) -> tuple[Decoder, Parity]:
    """The fast way where it keeps the bounds, else PIL's."""
    found = parity(paths, size)
    return ("fast" if found.passes else "exact"), found
