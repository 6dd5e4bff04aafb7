"""CUB-200-2011: part patches around four keypoints of each bird.

Files (space-separated, no header, ids from 1): `images.txt`, `train_test_split.txt`, `parts/parts.txt`,
`parts/part_locs.txt`, `images/<class>/<file>`; in `root` or in `root/CUB_200_2011`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from suite.datasets.files import RESTORE, home, read_names, read_table
from suite.datasets.parts import Ints, PartPatch, nearest_distances, part_boxes
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
    folder = home(root, "CUB_200_2011")
    files = {key: folder / "images" / name for key, name in read_names(folder / "images.txt").items()}
    _check_parts(folder / "parts" / "parts.txt")
    table = read_table(folder / "parts" / "part_locs.txt", 5)
    image_ids, part_ids = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    is_selected = (
        np.isin(image_ids, _members(folder, split)) & np.isin(part_ids, list(PARTS)) & (table[:, 4] == VISIBLE)
    )
    order = np.flatnonzero(is_selected)[np.lexsort((part_ids[is_selected], image_ids[is_selected]))]
    image_ids, part_ids, centres = image_ids[order], part_ids[order], table[order, 2:4]
    indices, boxes = part_boxes(centres, nearest_distances(centres, image_ids), keypoint_box)
    if indices.size == 0:
        raise DatasetError(f"{folder}: expected part patches in split {split!r}, found none: {RESTORE}")
    labels = {part_id: label for label, part_id in enumerate(PARTS)}
    rows = zip(image_ids[indices].tolist(), part_ids[indices].tolist(), boxes.tolist(), strict=True)
    return [PartPatch(_file(files, i, folder), tuple(box), labels[p], PARTS[p], i) for i, p, box in rows]


def _members(folder: Path, split: str) -> Ints:
    """Return the ids of the images of a split."""
    table = read_table(folder / "train_test_split.txt", 2).astype(np.int64)
    flags = {"all": (0, 1), "train": (1,), "test": (0,)}[split]
    return table[np.isin(table[:, 1], flags), 0]


def _check_parts(path: Path) -> None:
    """Check that the ids above mean what they should."""
    names = read_names(path)
    for part_id, name in PARTS.items():
        if names.get(str(part_id)) != name:
            raise DatasetError(f"{path}: part {part_id}: expected {name!r}, got {names.get(str(part_id))!r}: {RESTORE}")


def _file(files: dict[str, Path], image_id: int, folder: Path) -> Path:
    if str(image_id) not in files:
        raise DatasetError(f"{folder / 'images.txt'}: expected image {image_id} of part_locs.txt: {RESTORE}")
    return files[str(image_id)]
