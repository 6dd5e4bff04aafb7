"""A cell: one number of the paper, and the words its name is made of."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite import registry
from suite.errors import RequestError
from suite.specs import HF

METHODS = tuple(name for name, method in registry.METHODS.items() if method.family != "baseline")
BASELINES = tuple(name for name in registry.METHODS if name not in METHODS)
PROJECTED_METHODS = tuple(name for name in METHODS if registry.METHODS[name].has_projector)
"""Methods whose release holds a projector: only these have `projected` cells (paper, Table 3)."""


def release_of(spec: str) -> str:
    """Return the name before a spec's file: `mae` of `mae` and of `mae@FILE`, a method of the paper or not."""
    return spec.partition("@")[0].partition("?")[0]


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


_GENERIC = re.compile(
    r"(checkpoint|ckpt|model|pytorch_model|weights?|last|latest|best|final|epoch|step|iter|teacher|student|ema|encoder|"
    r"backbone|state_dict|[-_.=]|\d)+",
    re.IGNORECASE,
)
"""Names of files that trainings write by themselves: the folder tells which training it was."""
_LONGEST = 150
"""Characters of a name: with what is added to it, a file system takes 255."""


def method_name(spec: str) -> str:
    """Return an encoder spec as a name that can stand in a path and in a cell.

    Of the path of a file or a folder that is its last part, with the folder before it where the last part says
    nothing, such as `checkpoint.pth`; options stay, since they make another encoder.
    """
    path, options = _split(spec)
    folder_count = 1 if path and _GENERIC.fullmatch(path[-1].partition(".")[0]) else 0
    return _name(spec, path[-1 - folder_count :], options)


def method_names(specs: Iterable[str]) -> dict[str, str]:
    """Return the name of every spec; those that would share one have more folders of their files in it, else a digest.

    Args:
        specs: of one run; names are distinct among them.
    """
    specs = tuple(dict.fromkeys(specs))
    names = {spec: method_name(spec) for spec in specs}
    for name in [name for name, count in Counter(names.values()).items() if count > 1]:
        alike = [spec for spec in specs if names[spec] == name]
        depth = max(len(_split(spec)[0]) for spec in alike)
        for count in range(2, depth + 1):
            longer_names = {spec: _name(spec, _split(spec)[0][-count:], _split(spec)[1]) for spec in alike}
            if len({*longer_names.values()}) == len(alike):
                names |= longer_names
                break
    counts = Counter(names.values())
    return {spec: name if counts[name] == 1 else f"{name}-{_digest(spec)}" for spec, name in names.items()}


def _split(spec: str) -> tuple[list[str], str]:
    """Return the parts of the path of a spec's file or folder, and its options with their question mark."""
    place, mark, options = spec.partition("?")
    if mark and "=" not in options:  # a file may be called so
        place, mark, options = spec, "", ""
    file = place.removeprefix(HF) if place.startswith(HF) else place.partition("@")[2]
    parts = [part for part in Path(file).parts if part not in {"/", ".", ".."}]
    if parts[-2:-1] == ["snapshots"]:  # in the hub's cache a folder is called by its revision, and two above it by name
        parts = parts[:-2]
    return parts, mark + options


def _name(spec: str, parts: Sequence[str], options: str) -> str:
    release, at, _ = (HF, "", "") if spec.startswith(HF) else spec.removesuffix(options).partition("@")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", release + at + "/".join(parts) + options)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}-{_digest(spec)}"


def _digest(spec: str) -> str:
    return hashlib.sha256(spec.encode(errors="surrogateescape")).hexdigest()[:8]
