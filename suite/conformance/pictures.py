"""The same pictures everywhere, at any size, from formulas alone: no file, no resampling."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

COUNT = 9
"""Pictures of a fingerprint: one, and eight to compare it with."""
_WAVES = 6
_BOXES = 5


def pictures(count: int, height: int, width: int, *, first_number: int = 0) -> Tensor:
    """Draw waves of all directions under a few plain boxes, each picture from its own number.

    A picture at twice the height and width is the same picture, sampled twice as finely.

    Args:
        count: B.
        height: H, pixels.
        width: W, pixels.
        first_number: number of the first picture.

    Returns:
        (B, 3, H, W) float32 in [0, 1].
    """
    images = [_picture(number, height, width) for number in range(first_number, first_number + count)]
    return torch.from_numpy(np.stack(images).astype(np.float32))


@functools.lru_cache(maxsize=64)
def _picture(number: int, height: int, width: int) -> np.ndarray:
    draw = np.random.default_rng([2301, 11915, number])
    y = (np.arange(height) + 0.5)[:, None] / height
    x = (np.arange(width) + 0.5)[None, :] / width
    picture = np.zeros((3, height, width))
    for _ in range(_WAVES):
        angle, cycles, phase = draw.uniform(0, 2 * np.pi), draw.uniform(0.5, 8), draw.uniform(0, 2 * np.pi)
        wave = np.sin(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        picture += draw.uniform(-1, 1, (3, 1, 1)) * wave / np.sqrt(1 + cycles)
    picture = 0.5 + 0.25 * picture
    for _ in range(_BOXES):
        top, left = draw.uniform(0, 0.8, 2)
        height_share, width_share = draw.uniform(0.1, 0.4, 2)
        mask = (y >= top) & (y < top + height_share) & (x >= left) & (x < left + width_share)
        picture = np.where(mask, draw.uniform(0, 1, (3, 1, 1)), picture)
    return picture.clip(0, 1)
