"""ADE20K-Object (59 objects): scene parsing's masks with the other classes taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from suite.datasets.files import images_under
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.images import read_png, size_of, unusable
from suite.preparation.recipe import Item, Listing, Mask, Parallel, Plan, Recipe

SCENE_PARSING_IDS = (
    2, 3, 5, 8, 9, 11, 13, 15, 16, 18, 20, 21, 24, 25, 26, 31, 32, 33, 34, 36, 37, 38, 43, 45, 48, 49, 51, 77,
    54, 57, 60, 63, 64, 65, 66, 72, 75, 76, 81, 83, 84, 86, 91, 98, 99, 103, 108, 111, 117, 119, 125, 130, 131,
    134, 135, 137, 140, 148, 149,
)  # fmt: skip
"""Scene parsing's id (1..150) of each of the 59, in their order (official code, mmseg/datasets); boat's 77 stands
among the fifties there, and is kept."""

_LONG = {"train": "training", "val": "validation"}


def lookup() -> npt.NDArray[np.uint8]:
    """Return (151,) label of each of scene parsing's ids: 1..59, 0 for the others."""
    table = np.zeros(151, dtype=np.uint8)
    table[list(SCENE_PARSING_IDS)] = np.arange(1, len(SCENE_PARSING_IDS) + 1)
    return table


def _list(originals: Mapping[str, Path]) -> Listing:
    root = originals["ade20k"]
    items = []
    for split, long in _LONG.items():
        masks = root / "annotations" / long
        images = images_under(root / "images" / long, (".jpg",))
        items += [Item(split, image.stem, image, (masks / f"{image.stem}.png",)) for image in images]
    names = root / "objectInfo150.txt"
    if not names.is_file():
        return Listing(items, (), "ADEChallengeData2016", (f"{names.name} is missing: class numbers were not checked",))
    _check_names(names)
    return Listing(items, (names,), "ADEChallengeData2016")


def _check_names(path: Path) -> None:
    """Refuse a release that numbers its classes otherwise."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        rows = [re.split(r"\t+", line.strip()) for line in lines if line.strip()]
        names = {int(row[0]): row[-1].split(",")[0].strip() for row in rows}
    except (OSError, ValueError) as error:
        raise unusable(path, error) from error
    for id_, name in zip(SCENE_PARSING_IDS, CLASSES["ade20k_object"], strict=True):
        if names.get(id_) != name:
            raise DatasetError(
                f"{path}: expected class {id_} to be {name!r}, got {names.get(id_)!r}: restore ADEChallengeData2016"
            )


def convert(item: Item) -> Mask:
    """Remap the 150 classes' mask."""
    mask = read_png(item.sources[0])
    if mask.shape != size_of(item.image):
        raise unusable(item.sources[0], f"expected the image's size {size_of(item.image)}, got {mask.shape}")
    if mask.max(initial=0) > 150:
        raise unusable(item.sources[0], f"expected labels 0 to 150, got {mask.max()}")
    return lookup()[mask]


def _plan(_originals: Mapping[str, Path], listing: Listing, _run: Parallel, _work: Path) -> Plan:
    return Plan(listing.items, convert)


ADE20K_OBJECT = Recipe(
    name="ade20k_object",
    rule=1,
    classes=len(SCENE_PARSING_IDS),
    published={"train": 20210, "val": 2000},
    ours="the 150 classes' masks remapped in the order of the official code's list, whose order of ids is unconfirmed "
    "(boat, 77, stands among the fifties); every image is kept",
    list=_list,
    plan=_plan,
)
