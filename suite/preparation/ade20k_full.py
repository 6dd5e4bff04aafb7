"""The full ADE20K: which part of which object lies at every pixel, from either release.

Masks `X_seg.png` (whole objects) and `X_parts_1.png`, `X_parts_2.png`, ... (parts, parts of parts) are colours: the
class is (R // 10) * 256 + G, in the release's own numbering from 1, the instance B, and 0 is none (official code,
utils/utils_ade20k.py). ADE20K_2016_07_26 names its classes in index_ade20k.mat and does not say whose part a part
is; ADE20K_2021_17_01 says both in `X.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from suite.preparation.images import read_png, size_of, unusable
from suite.preparation.recipe import Item

Classes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Region:
    """One instance of a part.

    Attributes:
        part: the name of its class, with its synonyms.
        owners: names of the whole objects that it may belong to; None where the release does not say.
        pixels: indices into the flattened image.
    """

    part: str
    owners: frozenset[str] | None
    pixels: npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Scene:
    """One image's annotation.

    Attributes:
        whole: (H, W) classes of the whole objects, 0 for none.
        names: class -> its name with its synonyms.
        regions: all parts, those of an outer level before those of an inner one.
        unnamed: how many parts are of a class without a name, and left out.
    """

    whole: Classes
    names: Mapping[int, str]
    regions: Sequence[Region]
    unnamed: int


def read_scene(item: Item, names: Mapping[int, str]) -> Scene:
    """Read the annotation of an image.

    Args:
        item: from `ade20k_releases.list_images`.
        names: from `ade20k_releases.class_names`.

    Raises:
        DatasetError: a file of it is missing or damaged, or the files do not fit together.
    """
    json_files = [path for path in item.sources if path.suffix == ".json"]
    objects = _objects(json_files[0]) if json_files else {}
    names = {**names, **{entry.number: entry.name for entry in objects.values()}}
    whole, _ = _decode(item.sources[0], size_of(item.image))
    regions: list[Region] = []
    unnamed = 0
    for level, path in enumerate((path for path in item.sources[1:] if path.suffix == ".png"), 1):
        classes, instances = _decode(path, whole.shape)
        flat = classes.ravel()
        labelled = np.flatnonzero(flat)
        codes = flat[labelled] * 256 + instances.ravel()[labelled]
        distinct_codes, inverse = np.unique(codes, return_inverse=True)
        groups = np.split(labelled[np.argsort(inverse, kind="stable")], np.cumsum(np.bincount(inverse))[:-1])
        for code, pixels in zip(distinct_codes.tolist(), groups, strict=False):
            number = code // 256
            if number not in names:
                unnamed += 1
                continue
            owners = _owners(objects, number, level) if objects else None
            regions.append(Region(names[number], owners, pixels))
    return Scene(whole, names, regions, unnamed)


def _decode(path: Path, shape: tuple[int, ...]) -> tuple[Classes, npt.NDArray[np.int32]]:
    """Decode (H, W) classes and instances."""
    colours = read_png(path, modes=("RGB",)).astype(np.int32)
    if colours.shape[:2] != shape:
        raise unusable(path, f"expected the image's size {shape}, got {colours.shape[:2]}")
    return colours[..., 0] // 10 * 256 + colours[..., 1], colours[..., 2]


@dataclass(frozen=True, slots=True)
class _Object:
    """An entry of `X.json`."""

    name: str
    number: int
    level: int
    parent: int | None


def _objects(path: Path) -> dict[int, _Object]:
    """Read the entries of an `X.json` by id."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unusable(path, error) from error
    try:
        entries = json.loads(_text(content))["annotation"]["object"]
        return {int(entry["id"]): _object(entry) for entry in entries}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise unusable(path, f"not an annotation of ADE20K ({type(error).__name__}: {error})") from error


def _text(content: bytes) -> str:
    """Decode text, since some of the release's files hold free text in Latin-1."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _object(entry: dict[str, Any]) -> _Object:
    parts = entry["parts"]
    parent = parts["ispartof"]  # an id, or an empty list for none
    if isinstance(parent, list):
        parent = parent[0] if parent else None
    name, number, level = str(entry["name"]), int(entry["name_ndx"]), int(parts["part_level"])
    return _Object(name, number, level, None if parent is None else int(parent))


def _owners(objects: Mapping[int, _Object], number: int, level: int) -> frozenset[str] | None:
    """Return names of the whole objects of all parts of this class and level; None where no entry says."""
    entries = [entry for entry in objects.values() if entry.number == number and entry.level == level]
    return frozenset(_outermost(objects, entry).name for entry in entries) or None


def _outermost(objects: Mapping[int, _Object], entry: _Object) -> _Object:
    """Return the whole that a part, or a part of a part, belongs to."""
    for _ in objects:  # bounded: a damaged file may run in circles
        if entry.parent is None or entry.parent not in objects:
            break
        entry = objects[entry.parent]
    return entry
