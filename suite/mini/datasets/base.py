"""Base of the writers of all formats: seeds, image files, and work spread over processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from suite.mini.draw import Pixels

T = TypeVar("T")

SEED = 2_301_119
"""The first word of every seed here. Pretraining uses others, so no image is seen twice."""

JPEG_QUALITY = 93


class Parallel(Protocol):
    """Runner of tasks in processes, in any order."""

    def __call__(self, task: Callable[[int], T], count: int) -> list[T]:
        """Return the results of the task for 0 .. count - 1, in that order."""


def generator(family: int, index: int) -> np.random.Generator:
    """Return the randomness of one image: a function of its family of images and its place in it, of nothing else."""
    return np.random.default_rng([SEED, family, index])


def sized(count: int, share: float, *, least: int = 1) -> int:
    """Count how many of `count` items to write where only a share of the data is wanted."""
    return max(least, round(count * share))


def save_jpeg(path: Path, pixels: Pixels, *, mode: str = "RGB") -> None:
    """Write a JPEG; `mode` L or CMYK makes one of the awkward files that real datasets hold."""
    Image.fromarray(pixels).convert(mode).save(path, "JPEG", quality=JPEG_QUALITY)
