"""A cell: one number of the paper, and the words its name is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from suite import registry
from suite.errors import RequestError

METHODS = tuple(name for name, method in registry.METHODS.items() if method.family != "baseline")
BASELINES = tuple(name for name in registry.METHODS if name not in METHODS)
PROJECTED_METHODS = tuple(name for name in METHODS if registry.METHODS[name].has_projector)
"""Methods whose release holds a projector: only these have `projected` cells (paper, Table 3)."""


def release_of(spec: str) -> str:
    """Return the name before a spec's file: `mae` of `mae` and of `mae@FILE`, a method of the paper or not."""
    return spec.partition("@")[0]


@dataclass(frozen=True, order=True)
class CellId:
    """Name `experiment/dataset/method/setting/metric`, e.g. `part_retrieval/cub200/dino/encoded/ap`."""

    experiment: str
    dataset: str
    method: str
    setting: str
    metric: str

    def __str__(self) -> str:
        return "/".join((self.experiment, self.dataset, self.method, self.setting, self.metric))

    @classmethod
    def parse(cls, text: str) -> CellId:
        """Read the five words back.

        Raises:
            RequestError: there are not exactly five non-empty words.
        """
        words = text.split("/")
        if len(words) != 5 or not all(words):
            raise RequestError(f"cell {text!r}: expected experiment/dataset/method/setting/metric")
        return cls(*words)


@dataclass(frozen=True)
class Measurement:
    """Values that a run measured for one cell.

    Attributes:
        id: the cell.
        values: per cent, one per seed; a single one where nothing is random.
        seeds: the seeds, same order as `values`; empty for a deterministic metric.
    """

    id: CellId
    values: tuple[float, ...]
    seeds: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """Mean over seeds, per cent."""
        return sum(self.values) / len(self.values)

    @property
    def deterministic(self) -> bool:
        """Return whether no probe was trained, so no seed was drawn."""
        return not self.seeds


def method_name(spec: str) -> str:
    """Return an encoder spec as a name that can stand in a path and in a cell; of a file's path, its last part."""
    address, mark, options = spec.partition("?")
    name, at, file = address.partition("@")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name + at + Path(file).name + mark + options)
