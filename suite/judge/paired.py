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

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.judge.bootstrap import DRAWS, times_drawn


@dataclass(frozen=True)
class Difference:
    """First less second, in points of per cent.

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

    def reversed(self) -> Difference:
        """Return second less first."""
        return Difference(-self.value, -self.high, -self.low, self.p_value, self.items, self.images)


def draws_for(family: int, alpha: float) -> int:
    """Return how many draws a family of tests needs: with fewer, no p-value could pass Holm's first step.

    Args:
        family: tests.
        alpha: level of the family.
    """
    return max(DRAWS, math.ceil(2 * family / alpha))


def differences(
    scores: Mapping[str, NDArray[np.float32]],
    pairs: Sequence[tuple[str, str]],
    groups: NDArray[np.int32],
    *,
    draws: int = DRAWS,
) -> dict[tuple[str, str], Difference]:
    """Compare pairs of encoders, the first less the second, all over the same draws.

    Args:
        scores: name -> (R, N) fractions on the same items, in the same order; a row per seed.
        pairs: names.
        groups: (N,) image of each item.
        draws: bootstrap samples for the p-value; the interval is that of the first `DRAWS` of them.
    """
    if not pairs:
        return {}
    means = {name: rows.mean(axis=0) for name, rows in scores.items()}
    item_differences = np.stack([100 * (means[first] - means[second]) for first, second in pairs], axis=1)
    sums = _sums(item_differences, groups)
    kept: list[NDArray[np.float64]] = []
    tails = np.zeros((2, len(pairs)), np.int64)
    kept_count = 0
    for totals in _resample(sums, draws):
        drawn = totals[:, :-1] / totals[:, -1:]
        tails += (drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0)
        if kept_count < DRAWS:
            kept.append(drawn[: DRAWS - kept_count])
            kept_count += len(kept[-1])
    low, high = np.quantile(np.concatenate(kept), [0.025, 0.975], axis=0)
    p_values = np.minimum(1.0, 2 * (1 + tails.min(axis=0)) / (draws + 1))
    values = [float(item_differences[:, k].mean()) for k in range(len(pairs))]
    return {
        pair: Difference(values[k], float(low[k]), float(high[k]), float(p_values[k]), len(groups), len(sums))
        for k, pair in enumerate(pairs)
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
    sums = _sums(np.stack([100 * rows.mean(axis=0) for rows in scores.values()], axis=1), groups)
    totals = np.concatenate(list(_resample(sums, draws)))
    return {name: totals[:, k] / totals[:, -1] for k, name in enumerate(scores)}


def _sums(items: NDArray[np.float64], groups: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return per image the sums of (N, K) numbers of its items, and how many items it has: (images, K + 1)."""
    _, image = np.unique(groups, return_inverse=True)
    sums = np.zeros((int(image.max()) + 1, items.shape[1] + 1))
    np.add.at(sums, image, np.concatenate([items, np.ones((len(image), 1))], axis=1))
    return sums


def _resample(sums: NDArray[np.float64], draws: int) -> Iterator[NDArray[np.float64]]:
    """Yield totals, (draws, K) in pieces, of as many images, drawn with replacement, as there are."""
    yield from (times @ sums for times in times_drawn(len(sums), draws))
