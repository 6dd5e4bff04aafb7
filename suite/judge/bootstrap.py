"""Images drawn again: the draws that every interval over images is made of, the same in each run of the suite.

All items of an image are drawn together, since they are no independent evidence, and everything that is compared is
drawn over the same images.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapters 13 and 16; the cluster bootstrap of
Field and Welsh (2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from suite.results.image_sums import ImageSums, percent
from suite.results.noise import NOISE

T = TypeVar("T")
DRAWS = 9_999
SEED = 2301
_AT_ONCE = 200_000
"""Drawn images held at a time, in numbers."""


def times_drawn(images: int, draws: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each image is drawn, (draws, images) in pieces: with replacement, as many as there are."""
    generator = np.random.default_rng(SEED)
    step = max(1, _AT_ONCE // images)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        indices = generator.integers(0, images, (size, images)) + np.arange(size)[:, None] * images
        yield np.bincount(indices.ravel(), minlength=size * images).reshape(size, images).astype(np.float64)


def values_drawn(sums: Mapping[T, ImageSums], *, draws: int = DRAWS) -> dict[T, NDArray[np.float64]]:
    """Draw values again, all over the same images.

    Args:
        sums: of values over the same I images.
        draws: bootstrap samples.

    Returns:
        (draws,) values in per cent.
    """
    if not sums:
        return {}
    images = len(next(iter(sums.values())).parts)
    arrays = [array.reshape(images, -1) for entry in sums.values() for array in (entry.parts, entry.wholes)]
    columns = np.concatenate(arrays, axis=1)
    pieces: dict[T, list[NDArray[np.float64]]] = {name: [] for name in sums}
    for times in times_drawn(images, draws):
        totals, start = times @ columns, 0
        for name, entry in sums.items():
            shape, size = entry.parts.shape[1:], entry.parts[0].size
            parts, wholes = (totals[:, place : place + size] for place in (start, start + size))
            pieces[name].append(percent(parts.reshape(-1, *shape), wholes.reshape(-1, *shape)))
            start += 2 * size
    return {name: np.concatenate(values) for name, values in pieces.items()}


def interval(value: float, drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval around a value.

    Draws of a mean lie around it; those of mean IoU lie elsewhere, since each has lost some of the rare classes.
    """
    low, high = np.quantile(drawn, [0.025, 0.975]) - drawn.mean()
    return value + float(low), value + float(high)


def around(value: float, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift draws to lie around the value, as those of a mean do by themselves."""
    return drawn - drawn.mean() + value


def p_value(value: float, drawn: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a difference of 0; at least 2 / (draws + 1)."""
    return share_across(0, around(value, drawn))


def share_across(bound: float, drawn: NDArray[np.float64]) -> float:
    """Return twice the share of draws on the rarer side of a bound: the p-value of lying on it but for rounding."""
    tail = min(int((drawn <= bound + NOISE).sum()), int((drawn >= bound - NOISE).sum()))
    return min(1.0, 2 * (1 + tail) / (len(drawn) + 1))
