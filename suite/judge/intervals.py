"""Seed noise, the tolerance that follows from it, and many tests at once. Everything in points of per cent.

P is the reference (mean of K runs), m the measurement (mean of k runs), `slack` what is always allowed (half the
step of the printed digits, and the effect of decoder and dtype), s the seed noise with its degrees of freedom:

    nothing trained   |m - P| <= slack
    trained probe     |m - P| <= slack + t(.975, df) * s * sqrt(1/k + 1/K)

The paper's values are single runs (K = 1), a recorded reference has K >= 5. Where all seeds agree, s = 0 and the
slack remains: one test item at least, so that no tolerance is a point. A seed that was recorded itself needs no
interval: it is held against its own value (`suite.judge.cell_verdict`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from scipy.special import bdtr, stdtr, stdtrit

from suite.results.noise import NOISE, Spread

T = TypeVar("T")


@dataclass(frozen=True)
class Interval:
    """Range of a difference if the reference is right.

    Attributes:
        slack: always allowed.
        error: standard error of the difference; 0 where nothing was trained.
        df: degrees of freedom of `error`; None where nothing was trained.
    """

    slack: float
    error: float = 0.0
    df: int | None = None

    @classmethod
    def of_means(cls, slack: float, spread: Spread, k: int, K: int) -> Interval:
        """Make the interval for the difference of a mean of `k` runs and a mean of `K` runs."""
        return cls(slack, spread.sd * math.sqrt(1 / k + 1 / K), spread.df)

    @property
    def half_width(self) -> float:
        """The tolerance: exceeded by one true cell in twenty."""
        return self.slack if self.df is None else self.slack + float(stdtrit(self.df, 0.975)) * self.error

    def p_value(self, difference: float) -> float:
        """Return the two-sided probability of so large a difference; below .05 exactly outside the half width."""
        excess = abs(difference) - self.slack
        if excess <= NOISE:
            return 1.0
        if self.df is None or self.error == 0:
            return 0.0
        return 2 * float(stdtr(self.df, -excess / self.error))


MOST_SEEDS = 1000
"""Largest number of seeds; nobody runs more."""


def seeds_needed(slack: float, cap: float, spread: Spread, k: int, K: int, *, pooled: bool) -> int | None:
    """Return how many seeds bring the half width down to the cap, if the noise stays what it was.

    Args:
        slack: always allowed.
        cap: widest half width that is evidence.
        spread: the noise seen so far.
        k: seeds so far.
        K: runs behind the reference.
        pooled: the noise is the run's own, so that its degrees of freedom grow with the seeds: every further seed of
            all the cells behind it adds one for each.

    Returns:
        The smallest number above `k`; None where no number does, since the reference's own noise is wider than the cap.
    """
    cells = spread.df / (k - 1) if k > 1 else spread.df

    def fits(seeds: int) -> bool:
        df = round(cells * (seeds - 1)) if pooled else spread.df
        return Interval.of_means(slack, Spread(spread.sd, df), seeds, K).half_width <= cap + NOISE

    number = range(k + 1, MOST_SEEDS + 1)[bisect_left(range(k + 1, MOST_SEEDS), True, key=fits)]
    return number if fits(number) else None


def chance_bound(cells: int, alpha: float) -> int:
    """Return most deviations chance gives among so many true cells in 95 of 100 runs (binomial, cells independent)."""
    return bisect_left(range(cells), 0.95, key=lambda count: float(bdtr(count, cells, alpha)))


def holm(p_values: Mapping[T, float], alpha: float) -> tuple[T, ...]:
    """Return the tests, e.g. cells, rejected by Holm's step-down procedure: at most `alpha` to reject any true one.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    rejected_tests = []
    for rank, test in enumerate(sorted(p_values, key=p_values.__getitem__)):
        if p_values[test] > alpha / (len(p_values) - rank):
            break
        rejected_tests.append(test)
    return tuple(rejected_tests)
