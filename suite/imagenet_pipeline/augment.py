"""Part of an image that an encoder sees: random-resized crops in training, the centre in evaluation.

A region is arithmetic on sizes alone: who decodes and resizes, and how, is the
business of `suite/imagenet_pipeline/decode.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.datasets.pixels import enlarged
from suite.protocol.constants import constant

SCALE: tuple[float, float] = constant("image_crops", "area")
"""Share of the image's area that a crop covers."""
RATIO: tuple[float, float] = constant("image_crops", "ratio")
"""Width over height of a crop."""
FLIP: float = constant("image_crops", "flip")
"""Probability of the mirror image."""
_TRIES: int = constant("image_crops", "tries")


@dataclass(frozen=True, slots=True)
class Region:
    """Way from an image to a square: crop, resize, keep a window, mirror.

    Attributes:
        size: side of the square, pixels.
        box: (left, top, right, bottom) in the image, pixels.
        resized: (width, height) of the box after resizing.
        window: (left, top) of the square within that.
        mirrored: left and right change places at the end.
    """

    size: int
    box: tuple[int, int, int, int]
    resized: tuple[int, int]
    window: tuple[int, int] = (0, 0)
    mirrored: bool = False

    @property
    def down_first(self) -> bool:
        """Return whether PIL resizes from top to bottom before it resizes across, rounding to bytes in between.

        So it does where the height shrinks by much more than the width.

        Source: Pillow 13 (pull request 9549); the rule is read from its results, as the tests do again. Older ones
        always resize across first.
        """
        left, top, right, bottom = self.box
        across, down = right - left - self.resized[0], bottom - top - self.resized[1]
        return down > max(0, 2 * across)


def draw_crops(count: int, *, seed: int, epoch: int) -> NDArray[np.float32]:
    """Draw what chance decides about each of N images in an epoch.

    Drawn for all at once: a generator for each image would keep the threads waiting for Python's lock. A row is a
    function of seed, epoch and index alone: no worker count, batch size, order or resumption changes it.

    Args:
        count: N.
        seed: of the probe.
        epoch: from 0.

    Returns:
        (N, 41) in [0, 1), 210 MB for ImageNet: area, ratio, left and top for each of ten tries, and the mirror.
    """
    return np.random.default_rng((seed, epoch)).random((count, 4 * _TRIES + 1), np.float32)


def training_region(width: int, height: int, size: int, draws: NDArray[np.float32]) -> Region:
    """Return a random-resized crop and, half of the time, its mirror image.

    Args:
        width: of the image, pixels.
        height: of the image, pixels.
        size: side of the result, pixels.
        draws: (41,) the image's row of `draw_crops`.

    Source: code of CAE, tools/run_attentive.py and tools/run_linear.py: area 8 to 100 %, ratio 3/4 to 4/3. Ten draws,
    then the largest centred crop of a legal ratio, as torchvision does. Deviates: run_linear.py draws once and clips
    the crop to the image; one stream serves both heads here.
    """
    return Region(size, _random_box(width, height, draws), (size, size), mirrored=float(draws[-1]) < FLIP)


def evaluation_region(width: int, height: int, size: int, *, whole: bool = False) -> Region:
    """Return the region for evaluation: the shorter side to 8/7 of the input size (256 for 224), the centre of that.

    The longer side is truncated to an integer, as torchvision's `Resize` does. `whole`: the shorter side to the input
    size itself, for a diagnostic factor.
    """
    target_side, short = size if whole else enlarged(size), min(width, height)
    resized = (int(target_side * width / short), int(target_side * height / short))
    left, top = (round((side - size) / 2) for side in resized)
    return Region(size, (0, 0, width, height), resized, (left, top))


def _random_box(width: int, height: int, draws: NDArray[np.float32]) -> tuple[int, int, int, int]:
    for first in range(0, 4 * _TRIES, 4):
        area, ratio, left, top = draws[first : first + 4].tolist()
        pixels = width * height * (SCALE[0] + area * (SCALE[1] - SCALE[0]))
        shape = RATIO[0] * (RATIO[1] / RATIO[0]) ** ratio
        w, h = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(left * (width - w + 1)), int(top * (height - h + 1))
            return x, y, x + w, y + h
    return _centred_box(width, height)


def _centred_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return the largest legal crop, for images far from square."""
    w = min(width, max(1, round(height * RATIO[1])))
    h = min(height, max(1, round(width / RATIO[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
