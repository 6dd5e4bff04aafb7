"""What part of an image an encoder sees: random-resized crops in training, the centre in evaluation.

A region is arithmetic on sizes alone: who decodes and resizes, and how, is `suite/stream/decode.py`'s business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SCALE = (0.08, 1.0)
"""Share of the image's area that a crop covers."""
RATIO = (3 / 4, 4 / 3)
"""Width over height of a crop."""
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Region:
    """How an image becomes a square: crop, resize, keep a window, mirror.

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
        """Whether PIL resizes from top to bottom before it resizes across, rounding to bytes in between.

        So it does where the height shrinks by much more than the width.

        Source: Pillow 13 (pull request 9549); the rule is read from its results, as the tests do again. Older ones
        always resize across first.
        """
        left, top, right, bottom = self.box
        across, down = right - left - self.resized[0], bottom - top - self.resized[1]
        return down > max(0, 2 * across)


def training_region(width: int, height: int, size: int, *, seed: int, epoch: int, index: int) -> Region:
    """A random-resized crop and, half of the time, its mirror image.

    Every draw is a function of the three numbers: no worker count, batch size, order or resumption changes it.

    Args:
        width: of the image, pixels.
        height: of the image, pixels.
        size: side of the result, pixels.
        seed: of the probe.
        epoch: from 0.
        index: of the image in its set.

    Source: code of CAE, tools/run_attentive.py and tools/run_linear.py: area 8 to 100 %, ratio 3/4 to 4/3. Ten draws,
    then the largest centred crop of a legal ratio, as torchvision does. Deviates: run_linear.py draws once and clips
    the crop to the image; one stream serves both heads here.
    """
    draws = np.random.default_rng((seed, epoch, index))
    box = _random_box(width, height, draws)
    return Region(size, box, (size, size), mirrored=bool(draws.random() < 0.5))


def evaluation_region(width: int, height: int, size: int) -> Region:
    """The shorter side to 8/7 of the input size (256 for 224), the centre of that.

    The longer side is truncated to an integer, as torchvision's `Resize` does.
    """
    enlarged, short = round(size * 256 / 224), min(width, height)
    resized = (int(enlarged * width / short), int(enlarged * height / short))
    left, top = (round((side - size) / 2) for side in resized)
    return Region(size, (0, 0, width, height), resized, (left, top))


def _random_box(width: int, height: int, draws: np.random.Generator) -> tuple[int, int, int, int]:
    for _ in range(_TRIES):
        area = width * height * draws.uniform(*SCALE)
        ratio = math.exp(draws.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(draws.integers(width - w + 1)), int(draws.integers(height - h + 1))
            return left, top, left + w, top + h
    return _centred_box(width, height)


def _centred_box(width: int, height: int) -> tuple[int, int, int, int]:
    """The largest legal crop, for images far from square."""
    w = min(width, max(1, round(height * RATIO[1])))
    h = min(height, max(1, round(width / RATIO[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
