"""LIP (19 parts of clothed people): the official folders, renamed.

The mirrored labels that come with the release (`*_segmentations_reversed`, sides swapped) are not used: the paper's
augmentation mirrors pixels and keeps the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from suite.core.listing import walk
from suite.datasets.files import images_under
from suite.datasets.segmentation import IGNORE
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.images import read_png, size_of, unusable
from suite.preparation.originals import missing
from suite.preparation.recipe import SPLITS, Item, Listing, Mask, Parallel, Plan, Recipe

_DEPTH = 3
"""Depth, in folders, to which the two archives, one of them a zip within a zip, may have put theirs."""


def _list(originals: Mapping[str, Path]) -> Listing:
    root = originals["lip"]
    items: list[Item] = []
    lists: list[Path] = []
    warnings: list[str] = []
    for split in SPLITS:
        images, masks = _folder(root, f"{split}_images"), _folder(root, f"{split}_segmentations")
        image_files = images_under(images, (".jpg",))
        items += [Item(split, image.stem, image, (masks / f"{image.stem}.png",)) for image in image_files]
        names = images.parent / f"{split}_id.txt"
        if names.is_file():
            lists.append(names)
            listed = set(names.read_text(encoding="utf-8", errors="replace").split())
            mismatch_count = len(listed ^ {image.stem for image in image_files})
            if mismatch_count:
                warnings.append(
                    f"{names.name} and {images.name} differ in {mismatch_count} images: the folder's are taken"
                )
    return Listing(items, lists, "LIP TrainVal", warnings)


def _folder(root: Path, name: str) -> Path:
    """Find the only folder of that name, at most `_DEPTH` folders down."""
    matches = []
    for parent, folders, _ in walk(root):
        deep = len(parent.relative_to(root).parts)
        matches += [parent / folder for folder in folders if folder == name]
        # LIP's own folders hold tens of thousands of files and no folder
        folders[:] = (
            [] if deep >= _DEPTH else [folder for folder in folders if not folder.startswith(("train_", "val_"))]
        )
    if not matches:
        raise missing("lip", root, f"the folder {name}")
    if len(matches) > 1:
        raise DatasetError(f"{root}: expected one folder {name}, got {matches[0]} and {matches[1]}: move one away")
    return matches[0]


def convert(item: Item) -> Mask:
    """Return the mask as published, whatever way its 8 bits are stored."""
    path = item.sources[0]
    pixels = read_png(path, modes=("L", "P", "RGB"))
    if pixels.ndim == 3:
        if np.any(pixels != pixels[..., :1]):
            raise unusable(path, "expected gray pixels, got colours")
        pixels = pixels[..., 0]
    if pixels.shape != size_of(item.image):
        raise unusable(path, f"expected the image's size {size_of(item.image)}, got {pixels.shape}")
    classes = len(CLASSES["lip"])
    if np.any((pixels > classes) & (pixels != IGNORE)):
        raise unusable(path, f"expected labels 0 to {classes}, got {pixels[pixels != IGNORE].max()}")
    return np.ascontiguousarray(pixels)


def _plan(_originals: Mapping[str, Path], listing: Listing, _run: Parallel, _work: Path) -> Plan:
    return Plan(listing.items, convert)


LIP = Recipe(
    name="lip",
    rule=1,
    classes=len(CLASSES["lip"]),
    published={"train": 30462, "val": 10000},
    ours="nothing but the names of the folders",
    list=_list,
    plan=_plan,
)
