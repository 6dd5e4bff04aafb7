"""The six segmentation sets: an image folder and a folder of masks, in which 0 is unlabelled.

ADE20K and ADE20K-Object keep ADE20K's folders, the others have `img/` and `ann/` (official code, mmseg/datasets).
The label sets of one family describe the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from suite.mini.datasets import labels
from suite.mini.datasets.base import Parallel, generator, save_jpeg, sized
from suite.mini.scene import draw_group

IMAGES = {"train": 300, "val": 40}
WIDTHS, HEIGHTS = (112, 145), (96, 129)


@dataclass(frozen=True)
class SegmentationSet:
    """Drawing and labels of one set.

    Attributes:
        family: sets of the same family hold the same images.
        classes: the objects that are drawn; each has labels in all sets of the family.
        most: objects an image, at most.
        label: class and the label of a shape -> its value in the mask, 0 where it has none.
    """

    family: int
    classes: tuple[str, ...]
    most: int
    label: Callable[[str, str], int]


_KINDS = ("airplane", "bus", "person")
"""Kinds drawn: few, since a head has seconds to learn them. Of ten kinds, heads of half of the encoders learned nothing
that an untrained encoder's did not."""

SETS = {
    "ade20k": SegmentationSet(6, _KINDS, 3, labels.ade20k),
    "ade20k_object": SegmentationSet(6, _KINDS, 3, labels.ade20k_object),
    "ade20k_part": SegmentationSet(6, _KINDS, 3, labels.ade20k_part),
    "pascal_object": SegmentationSet(7, _KINDS, 2, labels.pascal_object),
    "pascal_part": SegmentationSet(7, _KINDS, 2, labels.pascal_part),
    "lip": SegmentationSet(8, ("person",), 1, labels.lip),
}


def write(root: Path, parallel: Parallel, share: float, *, name: str) -> None:
    """Write both splits of the set `name`."""
    first = 0
    for split, images in IMAGES.items():
        folders = _folders(root, name, split)
        for folder in folders:
            folder.mkdir(parents=True)
        parallel(partial(_write_pair, folders=folders, name=name, split=split, first=first), sized(images, share))
        first += images


def _folders(root: Path, name: str, split: str) -> tuple[Path, Path]:
    if name in ("ade20k", "ade20k_object"):
        home, long = root / "ADEChallengeData2016", {"train": "training", "val": "validation"}[split]
        return home / "images" / long, home / "annotations" / long
    return root / "img" / split, root / "ann" / split


def _write_pair(index: int, folders: tuple[Path, Path], name: str, split: str, first: int) -> None:
    segmentation_set = SETS[name]
    rng = generator(segmentation_set.family, first + index)
    width, height = int(rng.integers(*WIDTHS)), int(rng.integers(*HEIGHTS))
    names = rng.choice(segmentation_set.classes, size=int(rng.integers(1, segmentation_set.most + 1)))
    scene = draw_group(rng, names.tolist(), width, height)
    values = [segmentation_set.label(scene.things[owner].name, shape.label) for owner, shape in scene.shapes]
    stem = _stem(name, split, index)
    save_jpeg(folders[0] / f"{stem}.jpg", scene.image)
    Image.fromarray(scene.mask(values)).save(folders[1] / f"{stem}.png")


def _stem(name: str, split: str, index: int) -> str:
    """Name an image as the set's owners do."""
    if name.startswith("ade20k"):
        return f"ADE_{split}_{index + 1:08d}"
    if name.startswith("pascal"):
        return f"{2008 + index % 3}_{index + 1:06d}"
    return f"{100_034 + 17 * index}_{483_681 + 31 * index}"
