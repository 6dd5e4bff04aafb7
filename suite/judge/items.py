"""Scores of single items of a run: what its encoders are compared on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from suite.cells import CellId
from suite.judge.beside import Beside
from suite.results.image_sums import ImageSums, image_sums
from suite.results.store import Key, PerItemScores, Result, Store


@dataclass(frozen=True)
class SharedItems:
    """Cells whose values are of the same items.

    Attributes:
        identity: of the items.
        count: of the items.
        sums: cell -> its value, taken apart by image.
    """

    identity: str
    count: int
    sums: dict[CellId, ImageSums] = field(default_factory=dict)

    @property
    def by_method(self) -> dict[str, ImageSums]:
        """The same by method, of cells that differ in nothing else."""
        return {cell.method: sums for cell, sums in self.sums.items()}


class Items:
    """Scores of single items of a run, read once; of encoders that it did not measure, those of an earlier run."""

    def __init__(self, store: Store, results: Sequence[Result], beside: Beside | None = None) -> None:
        earlier = {result.key: (beside.store, result) for result in beside.results} if beside else {}
        self._places = earlier | {result.key: (store, result) for result in results}
        self._items: dict[Key, PerItemScores | None] = {}

    def shared(self, cells: Iterable[CellId]) -> list[SharedItems]:
        """Group cells by the items that their values are of; those whose items do not tell are left out."""
        groups: dict[tuple[str, int], SharedItems] = {}
        for cell in cells:
            items = self.of(Key(cell.experiment, cell.dataset, cell.method))
            sums = None if items is None else image_sums(items, f"{cell.setting}/{cell.metric}")
            if items is not None and sums is not None:
                place = items.identity, len(sums.parts)
                groups.setdefault(place, SharedItems(items.identity, len(items.groups))).sums[cell] = sums
        return list(groups.values())

    def of(self, key: Key) -> PerItemScores | None:
        """Return the scores behind a result; None where there are none, or they are damaged."""
        if key not in self._items:
            place = self._places.get(key)
            self._items[key] = None if place is None else place[0].items(place[1])
        return self._items[key]
