"""Comparison of two encoders on the same items: how sure is the difference of their values?

A paired bootstrap over images: all items of an image (the parts cut from it) are drawn together, since they are no
independent evidence; each draw takes both encoders' scores, so that what makes an item hard for both cancels. What is
drawn is the metric itself, mIoU from the pixels of all drawn images, as `suite.judge.uncertainty` and
`suite.judge.changes` have it. The interval says what other images of this kind would give with the same gallery and the
same fitted probes: it holds neither the noise of a probe's seed (values are means over the seeds that ran) nor, for
retrieval, the dependence of queries that share a gallery.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapters 13 and 16; the cluster bootstrap of
Field and Welsh (2007).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from suite.judge.bootstrap import DRAWS, interval, p_value, values_drawn
from suite.results.image_sums import ImageSums

T = TypeVar("T")


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


def draws_for(family: int, alpha: float, least: int = DRAWS) -> int:
    """Return how many draws a family of tests needs: with fewer, no p-value could pass Holm's first step.

    Args:
        family: tests.
        alpha: level of the family.
        least: draws that an interval needs.
    """
    return max(least, math.ceil(2 * family / alpha))


def differences(
    sums: Mapping[T, ImageSums], pairs: Sequence[tuple[T, T]], *, items: int, draws: int = DRAWS
) -> dict[tuple[T, T], Difference]:
    """Compare pairs of encoders, the first less the second, all over the same draws.

    Args:
        sums: name -> its value, taken apart by the same images.
        pairs: names.
        items: N.
        draws: bootstrap samples for the p-value; the interval is that of the first `DRAWS` of them.
    """
    drawn = values_drawn({name: entry for name, entry in sums.items() if any(name in p for p in pairs)}, draws=draws)
    answers = {}
    for first, second in pairs:
        value, around = sums[first].value - sums[second].value, drawn[first] - drawn[second]
        answers[first, second] = Difference(
            value,
            *interval(value, around[:DRAWS]),
            p_value(value, around),
            items=items,
            images=len(sums[first].parts),
        )
    return answers
