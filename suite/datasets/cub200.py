"""CUB-200-2011: part patches around four keypoints of each bird.

Files (space-separated, no header, ids from 1): `images.txt`, `train_test_split.txt`, `parts/parts.txt`,
`parts/part_locs.txt`, `images/<class>/<file>`; in `root` or in `root/CUB_200_2011`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from suite.core.forms import shown
from suite.datasets.files import RESTORE, damaged, home
from suite.datasets.parts import PartPatch, nearest_distances, part_boxes
from suite.datasets.tables import Floats, Ints, Table, file_inside, read_names
from suite.errors import DatasetError, unknown
from suite.protocol.constants import constant

PARTS: dict[int, str] = {number: part for part, number in constant("cub_parts", "parts").items()}
"""Part id in `parts.txt` -> name, in the order of the labels (official code, moco/loader.py)."""

VISIBLE: int = constant("cub_parts", "visible")
SPLITS = ("all", "train", "test")


def part_patches(root: Path, split: str = "all", *, keypoint_box: str = "half") -> list[PartPatch]:
    """Return part patches of a split, by image id, then part id (9, 11, 12, 14).

    A patch needs a visible keypoint and another visible one of the four in the image.

    Args:
        root: folder of the dataset.
        split: "all" (retrieval), "train" or "test" (classification; the official split).
        keypoint_box: see `parts.part_boxes`.

    Raises:
        RequestError: unknown split or `keypoint_box`.
        DatasetError: a file is missing or breaks its format, or no patch is left.

    Source: official code, moco/loader.py; paper, section 4 and Table 3.
    """
    if split not in SPLITS:
        raise unknown("split of cub200", split, SPLITS)
    index = Index.read(root)
    image_ids, part_ids, centres = _visible_parts(index)
    is_selected = np.isin(image_ids, index.members(split)) & np.isin(part_ids, list(PARTS))
    order = np.flatnonzero(is_selected)[np.lexsort((part_ids[is_selected], image_ids[is_selected]))]
    image_ids, part_ids, centres = image_ids[order], part_ids[order], centres[order]
    indices, boxes = part_boxes(centres, nearest_distances(centres, image_ids), keypoint_box)
    if indices.size == 0:
        raise DatasetError(f"{index.folder}: expected part patches in split {split!r}, found none: {RESTORE}")
    labels = {part_id: label for label, part_id in enumerate(PARTS)}
    rows = zip(image_ids[indices].tolist(), part_ids[indices].tolist(), boxes.tolist(), strict=True)
    return [PartPatch(index.files[i], tuple(box), labels[p], PARTS[p], i) for i, p, box in rows]


@dataclass(frozen=True)
class Index:
    """Images and the official split.

    Attributes:
        folder: `CUB_200_2011`.
        files: image id -> file, in the order of `images.txt`.
        train: ids of the images for training, in the order of `train_test_split.txt`.
        test: ids of all others.
    """

    folder: Path
    files: dict[int, Path]
    train: Ints
    test: Ints

    @classmethod
    def read(cls, root: Path) -> Index:
        """Read `images.txt` and `train_test_split.txt`.

        Raises:
            DatasetError: a file is missing or breaks its format, or the two do not list the same images, each once.
        """
        folder = home(root, "CUB_200_2011")
        files = _files(folder)
        table = Table.read(folder / "train_test_split.txt", ("image", "split"))
        ids, flags = table.whole("image"), table.whole("split", "0 or 1", largest=1)
        if len(ids) != len(files):
            raise damaged(table.path, f"expected the {len(files):,} rows of images.txt, got {len(ids):,}")
        _check_listed(table, ids, files)
        again = _repeated(ids)
        if again is not None:
            raise table.refusal(again, f"image {ids[again]} comes again")
        return cls(folder, files, ids[flags == 1], ids[flags == 0])

    def members(self, split: str) -> Ints:
        """Return the ids of the images of a split."""
        return {"train": self.train, "test": self.test, "all": np.concatenate([self.train, self.test])}[split]


def _files(folder: Path) -> dict[int, Path]:
    path = folder / "images.txt"
    names = read_names(path)
    for number, key in enumerate(names, 1):
        if not (key.isascii() and key.isdecimal()):
            raise damaged(path, f"line {number}: expected an image's number, got {shown(key)}")
    return {int(key): file_inside(folder / "images", name, path) for key, name in names.items()}


def _visible_parts(index: Index) -> tuple[Ints, Ints, Floats]:
    """Return image ids (N,), part ids (N,) and (N, 2) x and y of all visible keypoints, in the file's order."""
    names = read_names(index.folder / "parts" / "parts.txt")
    _check_parts(names, index.folder / "parts" / "parts.txt")
    table = Table.read(index.folder / "parts" / "part_locs.txt", ("image", "part", "x", "y", "visible"))
    image_ids, part_ids = table.whole("image"), table.whole("part")
    expected = len(index.files) * len(names)
    if len(table) != expected:
        parts = f"{len(names)} parts of each of {len(index.files):,} images"
        raise damaged(table.path, f"expected the {expected:,} rows of {parts}, got {len(table):,}")
    _check_listed(table, image_ids, index.files)
    strange = np.flatnonzero(~np.isin(part_ids.astype(str), list(names)))
    if strange.size:
        raise table.refusal(int(strange[0]), f"part {part_ids[strange[0]]} is not in parts.txt")
    again = _repeated(np.column_stack([image_ids, part_ids]))
    if again is not None:
        raise table.refusal(again, f"part {part_ids[again]} of image {image_ids[again]} comes again")
    centres = np.column_stack([table.pixels("x"), table.pixels("y")])
    visible = table.whole("visible", "0 or 1", largest=1) == VISIBLE
    return image_ids[visible], part_ids[visible], centres[visible]


def _check_parts(names: dict[str, str], path: Path) -> None:
    """Check that the ids above mean what they should."""
    for part_id, name in PARTS.items():
        if names.get(str(part_id)) != name:
            raise DatasetError(f"{path}: part {part_id}: expected {name!r}, got {names.get(str(part_id))!r}: {RESTORE}")


def _check_listed(table: Table, image_ids: Ints, files: dict[int, Path]) -> None:
    strange = np.flatnonzero(~np.isin(image_ids, list(files)))
    if strange.size:
        raise table.refusal(int(strange[0]), f"image {image_ids[strange[0]]} is not in images.txt")


def _repeated(keys: Ints) -> int | None:
    """Return the first row whose key, a number or a row of numbers, stood in an earlier one."""
    _, first = np.unique(keys, axis=0, return_index=True)
    return next(iter(np.setdiff1d(np.arange(len(keys)), first).tolist()), None)
