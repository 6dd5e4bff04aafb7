"""The yes-or-no questions that a claim consists of: each knows its cells, its answer and its numbers.

Each asks whether one number, its amount, lies between two bounds: the difference of two cells, or a rank correlation.
So every one can say by how much it holds or fails, and the same question can be put to values that were drawn again.

Differences below 1e-9 points count as none, since decimal fractions are not exact in binary.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.cells import CellId

Values = Mapping[CellId, float] | Mapping[CellId, NDArray[np.float64]]
"""Per cent: one value a cell, or as many as were drawn."""
_NOISE = 1e-9
_HALF_DIGIT = 0.05  # the paper prints one decimal


class Comparison(ABC):
    """One yes-or-no question about a few cells."""

    unit = "points"

    @property
    @abstractmethod
    def cells(self) -> tuple[CellId, ...]:
        """Everything that must be measured before it can be answered."""

    @property
    @abstractmethod
    def needs(self) -> str:
        """What its amount has to be, e.g. `> 2`."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Between which its amount has to lie; infinite where one side is open."""

    @abstractmethod
    def amount(self, values: Values) -> NDArray[np.float64]:
        """Return what is held against the bounds, of every draw of the values."""

    @abstractmethod
    def show(self, values: Mapping[CellId, float]) -> str:
        """Return the numbers behind the answer, e.g. `cub200/encoded/ap: ibot 49.3 vs cae 58.0`."""

    def pair(self, values: Mapping[CellId, float]) -> tuple[CellId, CellId] | None:
        """Return the two cells whose difference, first less second, is the amount; None where no two alone are."""
        return None

    def holds(self, values: Mapping[CellId, float]) -> bool:
        """Return the answer."""
        return self.margin(values) >= 0

    def margin(self, values: Mapping[CellId, float]) -> float:
        """Return by how much it holds; negative where it fails."""
        amount, (low, high) = float(self.amount(values)), self.bounds
        return min(amount - low, high - amount)


@dataclass(frozen=True)
class Difference(Comparison):
    """Test of `left > right + least`, `left = right + least` or `abs(left - right) <= least`."""

    left: CellId
    right: CellId
    relation: str
    least: float

    @property
    def cells(self) -> tuple[CellId, ...]:
        """Both sides."""
        return self.left, self.right

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the range of the difference; `=` is to the printed digit."""
        if self.relation == ">":
            return self.least + _NOISE, math.inf
        centre, half = (self.least, _HALF_DIGIT) if self.relation == "=" else (0.0, self.least)
        return centre - half - _NOISE, centre + half + _NOISE

    @property
    def needs(self) -> str:
        """Return the range in words."""
        if self.relation == ">":
            return f"> {self.least:g}"
        return " to ".join(f"{bound:.6g}" for bound in self.bounds)

    def amount(self, values: Values) -> NDArray[np.float64]:
        """Return left less right."""
        return np.subtract(values[self.left], values[self.right])

    def pair(self, values: Mapping[CellId, float]) -> tuple[CellId, CellId]:
        """Return both sides."""
        return self.left, self.right

    def show(self, values: Mapping[CellId, float]) -> str:
        """Return both values; both settings where these are compared."""
        return f"{_place(self.left)}: {versus(self.left, self.right, values)}"


@dataclass(frozen=True)
class Count(Comparison):
    """Test that at least `minimum` of `rivals` are above `method`: that the lead of the last one needed is positive."""

    method: CellId
    rivals: tuple[CellId, ...]
    minimum: int

    @property
    def cells(self) -> tuple[CellId, ...]:
        """The method and those counted."""
        return self.method, *self.rivals

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the range of the lead; equal values are none."""
        return _NOISE, math.inf

    @property
    def needs(self) -> str:
        """Return the range in words."""
        return "> 0"

    def amount(self, values: Values) -> NDArray[np.float64]:
        """Return the lead over the method, of the last of the rivals that are needed."""
        return _nth_largest([np.subtract(values[rival], values[self.method]) for rival in self.rivals], self.minimum)

    def pair(self, values: Mapping[CellId, float]) -> tuple[CellId, CellId]:
        """Return the last rival that is needed, and the method."""
        return sorted(self.rivals, key=values.__getitem__)[-self.minimum], self.method

    def winners(self, values: Mapping[CellId, float]) -> list[str]:
        """Return the methods that count."""
        return [rival.method for rival in self.rivals if values[rival] - values[self.method] > _NOISE]

    def show(self, values: Mapping[CellId, float]) -> str:
        """Return how many, and which."""
        winners = self.winners(values)
        return f"{_place(self.method)}: {len(winners)} ({'+'.join(winners) or 'none'})"


@dataclass(frozen=True)
class Rank(Comparison):
    """Test that `method` is among the best `worst_rank` of the paper's methods; equals share the better rank.

    That is: the rival of that rank, the best being 1, is not above it.
    """

    method: CellId
    rivals: tuple[CellId, ...]
    worst_rank: int

    @property
    def cells(self) -> tuple[CellId, ...]:
        """All methods."""
        return self.method, *self.rivals

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the range of the lead."""
        return -_NOISE, math.inf

    @property
    def needs(self) -> str:
        """Return the range in words."""
        return ">= 0"

    def amount(self, values: Values) -> NDArray[np.float64]:
        """Return the lead over the rival of that rank."""
        leads = [np.subtract(values[rival], values[self.method]) for rival in self.rivals]
        return -_nth_largest(leads, self.worst_rank)

    def pair(self, values: Mapping[CellId, float]) -> tuple[CellId, CellId]:
        """Return the method, and the rival of that rank."""
        return self.method, sorted(self.rivals, key=values.__getitem__)[-self.worst_rank]

    def rank(self, values: Mapping[CellId, float]) -> int:
        """Return the rank, 1 for the best."""
        return 1 + sum(values[rival] - values[self.method] > _NOISE for rival in self.rivals)

    def show(self, values: Mapping[CellId, float]) -> str:
        """Return the rank."""
        return f"{_place(self.method)}: {self.method.method} has rank {self.rank(values)}"


@dataclass(frozen=True)
class Spearman(Comparison):
    """Test that the rank correlation of two columns over the same methods is at least `minimum`."""

    left: tuple[CellId, ...]
    right: tuple[CellId, ...]
    minimum: float
    unit = "rank correlation"

    @property
    def cells(self) -> tuple[CellId, ...]:
        """Both columns."""
        return self.left + self.right

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the range of the coefficient."""
        return self.minimum - _NOISE, math.inf

    @property
    def needs(self) -> str:
        """Return the range in words."""
        return f">= {self.minimum:g}"

    def amount(self, values: Values) -> NDArray[np.float64]:
        """Return Spearman's coefficient, equals sharing their mean rank; 0 where a column is constant."""
        first, second = (_ranks(np.stack([np.asarray(values[cell]) for cell in column])) for column in self._columns)
        covariance = (first * second).sum(axis=0)
        scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
        return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)

    @property
    def _columns(self) -> tuple[tuple[CellId, ...], ...]:
        return self.left, self.right

    def show(self, values: Mapping[CellId, float]) -> str:
        """Return the coefficient."""
        return f"{_place(self.left[0])} with {_place(self.right[0])}: rho {float(self.amount(values)):.2f}"


def versus(left: CellId, right: CellId, values: Mapping[CellId, float]) -> str:
    """Write two values side by side, e.g. `ibot 49.3 vs cae 58.0`; with their settings where the method is one."""
    names = (
        (left.method, right.method) if left.method != right.method else (f"{left.method} {left.setting}", right.setting)
    )
    return " vs ".join(f"{name} {_number(values[cell])}" for name, cell in zip(names, (left, right), strict=True))


def _nth_largest(leads: Sequence[NDArray[np.float64]], place: int) -> NDArray[np.float64]:
    """Return the lead at a place, 1 for the largest."""
    ordered: NDArray[np.float64] = np.sort(np.stack(leads), axis=0)[-place]
    return ordered


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks along the first axis less their mean, equals sharing their mean rank."""
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    ranks = below + (equal + 1) / 2
    return ranks - ranks.mean(axis=0)


def _place(cell: CellId) -> str:
    return f"{cell.dataset}/{cell.setting}/{cell.metric}"


def _number(value: float) -> str:
    """Write one decimal as in the paper, two where they differ: 34.9, 34.93."""
    text = f"{value:.2f}"
    return text.removesuffix("0") if text.endswith("0") else text
