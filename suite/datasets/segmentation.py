"""The six segmentation sets: a folder of `.jpg` images and one of `.png` masks with the same stems.

Mask values: 0 unlabelled, 1..C classes, 255 ignored. The official loader (mmseg, `reduce_zero_label`) turns
0 into 255 and k into k - 1: the background is neither predicted nor scored (paper, Tables 2 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from suite.datasets.digests import combine, file_keys
from suite.datasets.files import RESTORE, damaged, home, images_in, images_under
from suite.datasets.openers import read_png
from suite.datasets.pixels import KEPT_PX, RESIZED_PX
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError, unknown
from suite.protocol.constants import constant

IGNORE: int = constant("segmentation", "ignored_label")
REDUCE_ZERO_LABEL: bool = constant("segmentation", "reduce_zero_label")
SPLITS = ("train", "val")
_SCENE_PARSING = "ADEChallengeData2016"


@dataclass(frozen=True, eq=False)
class SegmentationSet:
    """Images with masks.

    Attributes:
        name: the dataset's name.
        records: (image file, mask file), sorted by the image's path.
        classes: C names, by label after the reduction.
        reduce_zero_label: True for all of the paper's sets.
        label_shift: added to each label, the last class following the first; 0 but for a diagnostic factor.
        central: of images and masks only the central 7/8 is seen, for a diagnostic factor.
    """

    name: str
    records: tuple[tuple[Path, Path], ...]
    classes: tuple[str, ...]
    reduce_zero_label: bool = REDUCE_ZERO_LABEL
    label_shift: int = 0
    central: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes C, the background not counted."""
        return len(self.classes)

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the images, the masks and the classes."""
        return combine([*self.classes, *file_keys([path for record in self.records for path in record])])

    def mask(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the mask of a record; see `read_mask`."""
        labels = read_mask(self.records[index][1], self.num_classes, reduce_zero_label=self.reduce_zero_label)
        labels = labels[self.seen(*labels.shape)]
        return shifted(labels, self.label_shift, self.num_classes) if self.label_shift else labels

    def seen(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns that are seen of an image and its mask: all, but for a diagnostic factor."""
        borders = [round(side * (1 - KEPT_PX / RESIZED_PX) / 2) if self.central else 0 for side in (height, width)]
        rows, columns = (slice(border, side - border) for border, side in zip(borders, (height, width), strict=True))
        return rows, columns


def segmentation(name: str, root: Path, split: str) -> SegmentationSet:
    """Return the images and masks of a split.

    Args:
        name: ade20k, ade20k_object, ade20k_part, pascal_object, pascal_part or lip.
        root: folder of the dataset.
        split: "train" or "val".

    Raises:
        RequestError: unknown name or split.
        DatasetError: no image is there, an image has no mask or shares it, or a folder cannot be listed.

    Source: official code, configs_local/_base_/datasets.
    """
    if name not in CLASSES:
        raise unknown("segmentation dataset", name, list(CLASSES))
    if split not in SPLITS:
        raise unknown(f"split of {name}", split, SPLITS)
    images, masks = folders(name, root, split)
    present, image_of = set(images_in(masks, (".png",))), dict[Path, Path]()
    for image in images_under(images, (".jpg",)):
        mask = mask_of(image, images, masks)
        if mask not in present:
            raise DatasetError(f"{mask}: expected the mask of {image.name}, found nothing: {RESTORE}")
        if other := image_of.get(mask):
            raise DatasetError(
                f"{mask}: expected the mask of one image, got {other.name} and {image.name}: remove the copy"
            )
        image_of[mask] = image
    records = [(image, mask) for mask, image in image_of.items()]
    return SegmentationSet(name, tuple(records), CLASSES[name])


def read_mask(path: Path, num_classes: int, *, reduce_zero_label: bool = REDUCE_ZERO_LABEL) -> npt.NDArray[np.uint8]:
    """Read the labels of a mask; a palette image gives its indices.

    Args:
        path: an 8-bit PNG of one channel, gray or with a palette.
        num_classes: C.
        reduce_zero_label: 0 becomes 255, k becomes k - 1, 255 stays.

    Returns:
        (H, W) labels 0..C-1 and 255.

    Raises:
        DatasetError: the file is missing, truncated or of another kind, or holds a label above C. The official code
            counts one such label as the last class, and loses others.
    """
    raw = read_png(path)
    lowest = 1 if reduce_zero_label else 0
    labels = np.arange(lowest, lowest + num_classes)
    table = np.full(256, IGNORE, dtype=np.uint8)
    table[labels] = np.arange(num_classes)
    values = np.flatnonzero(np.bincount(raw.ravel(), minlength=256))
    illegal = np.setdiff1d(values, [0, *labels, IGNORE])
    if illegal.size:
        raise damaged(path, f"expected labels 0 to {labels[-1]} and {IGNORE}, got {illegal[0]}")
    return table[raw]


def shifted(labels: npt.NDArray[np.uint8], shift: int, classes: int) -> npt.NDArray[np.uint8]:
    """Return labels moved by `shift`, the last class following the first; what is ignored stays so."""
    moved = ((labels.astype(np.int64) + shift) % classes).astype(np.uint8)
    return np.where(labels == IGNORE, labels, moved)


def mask_of(image: Path, images: Path, masks: Path) -> Path:
    """Return where the mask of an image must be: the same relative path, `.png`."""
    return masks / image.relative_to(images).with_suffix(".png")


def folders(name: str, root: Path, split: str) -> tuple[Path, Path]:
    """Return the folders of a split's images and of its masks."""
    if name in {"ade20k", "ade20k_object"}:
        folder, long = home(root, _SCENE_PARSING), {"train": "training", "val": "validation"}[split]
        return folder / "images" / long, folder / "annotations" / long
    return root / "img" / split, root / "ann" / split
