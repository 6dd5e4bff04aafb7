"""Pascal-Part (193 parts) and Pascal-Object (16 objects), from Pascal-Part's annotations of VOC 2010.

Objects are painted in the file's order, so that later ones hide earlier ones, and an object's parts over it in
theirs (Pascal-Part, mat2map.m). The 193 classes are part2ind.m's names with their numbers folded: `wheel_1` and
`wheel_2` are the wheel. Boat, chair, table and sofa have no parts: they hide what is behind them and have no label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.images import size_of, unusable
from suite.preparation.matlab import Thing, read_annotation
from suite.preparation.recipe import SPLITS, Item, Listing, Mask, Parallel, Plan, Recipe

OBJECTS = {name: label for label, name in enumerate(CLASSES["pascal_object"], 1)}
PARTS = {name: label for label, name in enumerate(CLASSES["pascal_part"], 1)}
WITHOUT_PARTS = frozenset({"boat", "chair", "table", "diningtable", "sofa"})
"""Other classes of VOC; the annotations spell diningtable `table`."""


def paint_objects(things: list[Thing], shape: tuple[int, int]) -> Mask:
    """Paint (H, W) labels 1..16, 0 elsewhere."""
    mask = np.zeros(shape, dtype=np.uint8)
    for thing in things:
        mask[thing.mask] = OBJECTS.get(thing.name, 0)
    return mask


def paint_parts(things: list[Thing], shape: tuple[int, int]) -> Mask:
    """Paint (H, W) labels 1..193, 0 elsewhere, also where an object has no part."""
    mask = np.zeros(shape, dtype=np.uint8)
    for thing in things:
        mask[thing.mask] = 0
        for name, part in thing.parts:
            mask[part] = PARTS[f"{thing.name} {folded(name)}"]
    return mask


def folded(part: str) -> str:
    """Fold `wheel_2` into `wheel`."""
    return re.sub(r"_\d+$", "", part)


def _list(originals: Mapping[str, Path]) -> Listing:
    images, annotations = originals["voc2010"], originals["pascal_part"] / "Annotations_Part"
    lists = {split: images / f"ImageSets/Main/{split}.txt" for split in SPLITS}
    items = [
        Item(split, stem, images / f"JPEGImages/{stem}.jpg", (annotations / f"{stem}.mat",))
        for split, path in lists.items()
        for stem in sorted(_stems(path))
    ]
    return Listing(items, tuple(lists.values()), "VOC2010 trainval")


def _stems(path: Path) -> set[str]:
    try:
        stems = set(path.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(path, error) from error
    odd = sorted(stem for stem in stems if not re.fullmatch(r"\w+", stem))
    if odd or not stems:
        example = repr(odd[0]) if odd else "nothing"
        raise DatasetError(f"{path}: expected the name of an image on each line, got {example}: restore it")
    return stems


def _convert(item: Item, *, parts: bool) -> Mask:
    path, shape = item.sources[0], size_of(item.image)
    things = read_annotation(path)
    for thing in things:
        if thing.name not in OBJECTS and thing.name not in WITHOUT_PARTS:
            raise unusable(path, f"expected a class of VOC, got {thing.name!r}")
        if thing.mask.shape != shape:
            raise unusable(path, f"expected masks of the image's size {shape}, got {thing.mask.shape}")
        strange = [name for name, _ in thing.parts if f"{thing.name} {folded(name)}" not in PARTS]
        if strange:
            raise unusable(path, f"expected a part of {thing.name} that part2ind.m names, got {strange[0]!r}")
    return paint_parts(things, shape) if parts else paint_objects(things, shape)


def _plan(_originals: Mapping[str, Path], listing: Listing, _run: Parallel, _work: Path, *, parts: bool) -> Plan:
    return Plan(listing.items, partial(_convert, parts=parts))


_COMMON = "every image of VOC 2010's Main/train and Main/val is kept; later objects hide earlier ones"


def _recipe(parts: bool) -> Recipe:
    return Recipe(
        name="pascal_part" if parts else "pascal_object",
        rule=1,
        classes=len(PARTS if parts else OBJECTS),
        published={"train": 4998, "val": 5105},
        ours=f"{_COMMON}; {'ids in the order of suite.datasets.segmentation_classes; ' if parts else ''}"
        f"pixels of an object outside its parts are {'0' if parts else 'the object'}",
        list=_list,
        plan=partial(_plan, parts=parts),
    )


PASCAL_PART, PASCAL_OBJECT = _recipe(parts=True), _recipe(parts=False)
