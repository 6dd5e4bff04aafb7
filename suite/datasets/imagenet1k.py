"""ImageNet-1K: `{train,val}/<wnid>/*.JPEG`, a folder per class; a class's label is the rank of its wnid.

Suffixes lie (one `.JPEG` of the real set is a PNG, others are CMYK): `pixels.read_rgb` looks at the content.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from suite.core.listing import entries, is_folder
from suite.datasets.files import IMAGE_SUFFIXES, RESTORE, images_under
from suite.datasets.tables import read_names
from suite.datasets.views import View, ViewSet
from suite.errors import DatasetError, unknown

SPLITS = ("train", "val")
NAMES_FILE = "LOC_synset_mapping.txt"
WNID = re.compile(r"n\d{8}", re.ASCII)


def images(root: Path, split: str = "val") -> ViewSet:
    """Return the images of a split, by wnid, then file name.

    Classes are named by `LOC_synset_mapping.txt` (`wnid name` lines) if `root` has it, by wnid otherwise.

    Raises:
        RequestError: unknown split.
        DatasetError: the folder is missing, a class is empty, something is no class, or the two splits have different
            classes.
    """
    if split not in SPLITS:
        raise unknown("split of imagenet1k", split, SPLITS)
    wnids = _wnids(root / split)
    _check_other_split(root, split, wnids)
    files = [images_under(root / split / wnid) for wnid in wnids]
    labels = np.repeat(np.arange(len(wnids), dtype=np.int64), [len(of_class) for of_class in files])
    names = read_names(root / NAMES_FILE) if (root / NAMES_FILE).exists() else {}
    views = [View(file) for of_class in files for file in of_class]
    return ViewSet(views, labels, tuple(names.get(wnid, wnid) for wnid in wnids))


def contents(folder: Path) -> tuple[list[str], list[str]]:
    """Return names of the folders in a split's folder, and those that should not be there, each sorted.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    folders, files = entries(folder) if is_folder(folder) else ([], [])
    loose = [name for name in files if WNID.fullmatch(name) or name.lower().endswith(IMAGE_SUFFIXES)]
    return folders, sorted([*(name for name in folders if not WNID.fullmatch(name)), *loose])


def _wnids(folder: Path) -> list[str]:
    """Return the folders of a split's classes, sorted.

    Raises:
        DatasetError: there is none, or an image or another folder is among them, which no label would count.
    """
    folders, strange = contents(folder)
    if not folders:
        raise DatasetError(f"{folder}: expected a folder per class (n01440764, ...), found none: {RESTORE}")
    if strange:
        raise DatasetError(
            f"{folder / strange[0]}: expected the folders of classes (n01440764, ...) only: move it away"
        )
    return folders


def _check_other_split(root: Path, split: str, wnids: list[str]) -> None:
    """Refuse a class that one split lacks: it would shift the labels of all after it."""
    other_folder = root / ("val" if split == "train" else "train")
    if not is_folder(other_folder):
        return
    differing = sorted(set(wnids) ^ set(_wnids(other_folder)))
    if differing:
        raise DatasetError(
            f"{root}: expected the same classes in train and val, got {differing[0]} in one only: {RESTORE}"
        )
