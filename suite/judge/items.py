"""Scores of single items of a run: what its encoders are compared on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.judge.beside import Beside
from suite.results.store import Key, PerItemScores, Result, Store


@dataclass(frozen=True)
class SharedItems:
    """Encoders that were measured on the same items of a column.

    Attributes:
        groups: (N,) image of each item.
        scores: method -> (R, N) fractions, a row per seed.
    """

    groups: NDArray[np.int32]
    scores: dict[str, NDArray[np.float32]] = field(default_factory=dict)


class Items:
    """Scores of single items of a run, read once; of encoders that it did not measure, those of an earlier run."""

    def __init__(self, store: Store, results: Sequence[Result], beside: Beside | None = None) -> None:
        earlier = {result.key: (beside.store, result) for result in beside.results} if beside else {}
        self._places = earlier | {result.key: (store, result) for result in results}
        self._items: dict[Key, PerItemScores | None] = {}

    def shared(self, column: Mapping[str, Any], methods: Sequence[str]) -> list[SharedItems]:
        """Group the methods that have scores in a column by the items that these are of."""
        name = f"{column['setting']}/{column['metric']}"
        groups: dict[str, SharedItems] = {}
        for method in methods:
            items = self.of(Key(column["experiment"], column["dataset"], method))
            if items is not None and name in items.scores:
                groups.setdefault(items.identity, SharedItems(items.groups)).scores[method] = items.scores[name]
        return list(groups.values())

    def of(self, key: Key) -> PerItemScores | None:
        """Return the scores behind a result; None where there are none, or they are damaged."""
        if key not in self._items:
            place = self._places.get(key)
            self._items[key] = None if place is None else place[0].items(place[1])
        return self._items[key]
