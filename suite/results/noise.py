"""Seed noise of a protocol, pooled over its cells. Everything in points of per cent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from suite.cells import BASELINES, METHODS, CellId, Measurement


@dataclass(frozen=True)
class Spread:
    """Seed noise of one protocol: pooled standard deviation and its degrees of freedom."""

    sd: float
    df: int

    def close_to(self, other: Spread) -> bool:
        """Tell whether another is equal to six decimals, as recorded."""
        return self.df == other.df and math.isclose(self.sd, other.sd, abs_tol=1e-6)


def pool_of(cell: CellId) -> CellId:
    """Return the pool of seed noise of a cell: its protocol, over all methods of the paper and the baselines.

    A candidate is a pool of its own, since its noise may be of another size.
    """
    return replace(cell, method="methods" if cell.method in (*METHODS, *BASELINES) else cell.method)


def pooled_sd(measurements: Iterable[Measurement]) -> dict[CellId, Spread]:
    """Pool seed noise: the root of the mean variance, weighted by degrees of freedom.

    A cell of a single seed says nothing about it; a pool of nothing else is left out.

    Returns:
        `pool_of(cell)` -> standard deviation, with sum(k_i - 1) degrees of freedom.
    """
    squares: defaultdict[CellId, float] = defaultdict(float)
    df: defaultdict[CellId, int] = defaultdict(int)
    for m in measurements:
        if len(m.values) > 1:
            squares[pool_of(m.id)] += sum((value - m.mean) ** 2 for value in m.values)
            df[pool_of(m.id)] += len(m.values) - 1
    return {pool: Spread(math.sqrt(squares[pool] / df[pool]), df[pool]) for pool in df}


NOISE = 1e-9
"""Difference below which two values count as equal: decimal fractions are not exact in binary."""
