"""The yes-or-no questions that a claim consists of: each knows its cells, its answer and its numbers.

Differences below 1e-9 points count as none, since decimal fractions are not exact in binary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import correlation
from typing import Protocol

from suite.cells import CellId

Values = Mapping[CellId, float]
_NOISE = 1e-9
_HALF_DIGIT = 0.05  # the paper prints one decimal


class Comparison(Protocol):
    """One yes-or-no question about a few cells."""

    @property
    def cells(self) -> tuple[CellId, ...]:
        """Everything that must be measured before it can be answered."""

    def holds(self, values: Values) -> bool:
        """Return the answer."""

    def show(self, values: Values) -> str:
        """Return the numbers behind the answer, e.g. `cub200/encoded/ap: ibot 49.3 vs cae 58.0`."""


@dataclass(frozen=True)
class Difference:
    """Test of `left > right + margin`, `left = right + margin` or `abs(left - right) <= margin`."""

    left: CellId
    right: CellId
    relation: str
    margin: float

    @property
    def cells(self) -> tuple[CellId, ...]:
        """Both sides."""
        return self.left, self.right

    def holds(self, values: Values) -> bool:
        """Return the answer; `=` is to the printed digit."""
        gap = values[self.left] - values[self.right]
        if self.relation == ">":
            return gap - self.margin > _NOISE
        if self.relation == "=":
            return abs(gap - self.margin) <= _HALF_DIGIT + _NOISE
        return abs(gap) <= self.margin + _NOISE

    def show(self, values: Values) -> str:
        """Return both values; both settings where these are compared."""
        left, right = (
            (self.left.method, self.right.method)
            if self.left.method != self.right.method
            else (f"{self.left.method} {self.left.setting}", self.right.setting)
        )
        numbers = f"{left} {_number(values[self.left])} vs {right} {_number(values[self.right])}"
        return f"{_place(self.left)}: {numbers}"


@dataclass(frozen=True)
class Count:
    """Test that at least `minimum` of `rivals` are above `method`."""

    method: CellId
    rivals: tuple[CellId, ...]
    minimum: int

    @property
    def cells(self) -> tuple[CellId, ...]:
        """The method and those counted."""
        return self.method, *self.rivals

    def winners(self, values: Values) -> list[str]:
        """Return the methods that count."""
        return [rival.method for rival in self.rivals if values[rival] - values[self.method] > _NOISE]

    def holds(self, values: Values) -> bool:
        """Return the answer."""
        return len(self.winners(values)) >= self.minimum

    def show(self, values: Values) -> str:
        """Return how many, and which."""
        winners = self.winners(values)
        return f"{_place(self.method)}: {len(winners)} ({'+'.join(winners) or 'none'})"


@dataclass(frozen=True)
class Rank:
    """Test that `method` is among the best `worst_rank` of the paper's methods; equals share the better rank."""

    method: CellId
    rivals: tuple[CellId, ...]
    worst_rank: int

    @property
    def cells(self) -> tuple[CellId, ...]:
        """All methods."""
        return self.method, *self.rivals

    def rank(self, values: Values) -> int:
        """Return the rank, 1 for the best."""
        return 1 + sum(values[rival] - values[self.method] > _NOISE for rival in self.rivals)

    def holds(self, values: Values) -> bool:
        """Return the answer."""
        return self.rank(values) <= self.worst_rank

    def show(self, values: Values) -> str:
        """Return the rank."""
        return f"{_place(self.method)}: {self.method.method} has rank {self.rank(values)}"


@dataclass(frozen=True)
class Spearman:
    """Test that the rank correlation of two columns over the same methods is at least `minimum`."""

    left: tuple[CellId, ...]
    right: tuple[CellId, ...]
    minimum: float

    @property
    def cells(self) -> tuple[CellId, ...]:
        """Both columns."""
        return self.left + self.right

    def rho(self, values: Values) -> float:
        """Return Spearman's coefficient, equals sharing their mean rank; 0 where a column is constant."""
        ranks = [_ranks([values[cell] for cell in column]) for column in (self.left, self.right)]
        return 0.0 if any(len(set(column)) == 1 for column in ranks) else correlation(*ranks)

    def holds(self, values: Values) -> bool:
        """Return the answer."""
        return self.rho(values) - self.minimum >= -_NOISE

    def show(self, values: Values) -> str:
        """Return the coefficient."""
        return f"{_place(self.left[0])} with {_place(self.right[0])}: rho {self.rho(values):.2f}"


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks, 1 for the smallest; equals share their mean rank."""
    return [sum(v < value for v in values) + (values.count(value) + 1) / 2 for value in values]


def _place(cell: CellId) -> str:
    return f"{cell.dataset}/{cell.setting}/{cell.metric}"


def _number(value: float) -> str:
    """Write one decimal as in the paper, two where they differ: 34.9, 34.93."""
    text = f"{value:.2f}"
    return text.removesuffix("0") if text.endswith("0") else text
