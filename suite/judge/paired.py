"""Comparison of two encoders on the same items: how sure is the difference of their means?

A paired bootstrap over images: all items of an image (the parts cut from it) are drawn together, since they are no
independent evidence; each draw takes both encoders' scores, so that what makes an item hard for both cancels.
The interval is the percentile one. It says what other images of this kind would give with the same gallery and the
same fitted probes: it holds neither the noise of a probe's seed (scores are means over the seeds that ran) nor, for
retrieval, the dependence of queries that share a gallery.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapters 13 and 16; the cluster bootstrap of
Field and Welsh (2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 9_999
SEED = 2301
_AT_ONCE = 200_000
"""Drawn images held at a time, in numbers."""


@dataclass(frozen=True)
class Difference:
    """Candidate less reference, in points of per cent.

    Attributes:
        low: of the 95 % interval.
        high: of the 95 % interval.
        p_value: two-sided; at least 2 / (draws + 1).
        items: N.
        images: number of groups.
    """

    value: float
    low: float
    high: float
    p_value: float
    items: int
    images: int


def differences(
    scores: NDArray[np.float32],
    other_scores: Mapping[str, NDArray[np.float32]],
    groups: NDArray[np.int32],
    *,
    draws: int = DRAWS,
) -> dict[str, Difference]:
    """Compare the candidate with every other, over the same draws.

    Args:
        scores: (R, N) fractions of the candidate, a row per seed.
        other_scores: name -> (R', N) fractions on the same items, in the same order.
        groups: (N,) image of each item.
        draws: bootstrap samples.
    """
    names = list(other_scores)
    item_differences = np.stack(
        [100 * (scores.mean(axis=0) - other_scores[name].mean(axis=0)) for name in names], axis=1
    )
    sums = _sums(item_differences, groups)
    totals = _resample(sums, draws)
    means = totals[:, :-1] / totals[:, -1:]
    return {
        name: _difference(float(item_differences[:, k].mean()), means[:, k], items=len(groups), images=len(sums))
        for k, name in enumerate(names)
    }


def mean_draws(
    scores: Mapping[str, NDArray[np.float32]], groups: NDArray[np.int32], *, draws: int = DRAWS
) -> dict[str, NDArray[np.float64]]:
    """Draw the mean of every encoder again, over the same images.

    Args:
        scores: name -> (R, N) fractions on the same items, in the same order; a row per seed.
        groups: (N,) image of each item.
        draws: bootstrap samples.

    Returns:
        name -> (draws,) means in per cent.
    """
    totals = _resample(_sums(np.stack([100 * rows.mean(axis=0) for rows in scores.values()], axis=1), groups), draws)
    return {name: totals[:, k] / totals[:, -1] for k, name in enumerate(scores)}


def _sums(items: NDArray[np.float64], groups: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return per image the sums of (N, K) numbers of its items, and how many items it has: (images, K + 1)."""
    _, image = np.unique(groups, return_inverse=True)
    sums = np.zeros((int(image.max()) + 1, items.shape[1] + 1))
    np.add.at(sums, image, np.concatenate([items, np.ones((len(image), 1))], axis=1))
    return sums


def _resample(sums: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Return (draws, K) totals of as many images, drawn with replacement, as there are."""
    count = len(sums)
    generator = np.random.default_rng(SEED)
    totals: list[NDArray[np.float64]] = []
    step = max(1, _AT_ONCE // count)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        image_indices = generator.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(image_indices.ravel(), minlength=size * count).reshape(size, count)
        totals.append(times.astype(np.float64) @ sums)
    return np.concatenate(totals)


def _difference(value: float, mean_draws: NDArray[np.float64], *, items: int, images: int) -> Difference:
    low, high = np.quantile(mean_draws, [0.025, 0.975])
    tail: Sequence[int] = (int((mean_draws <= 0).sum()), int((mean_draws >= 0).sum()))
    p_value = min(1.0, 2 * (1 + min(tail)) / (len(mean_draws) + 1))
    return Difference(value, float(low), float(high), p_value, items, images)
