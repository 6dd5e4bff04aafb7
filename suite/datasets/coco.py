"""COCO 2017: part patches around three keypoints of each person, and square crops around objects.

Files: `annotations/person_keypoints_<split>.json`, `annotations/instances_<split>.json`,
`images/<split>/<12 digits>.jpg` (or `<split>/...`, as the archives unpack).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from suite.core.forms import shown
from suite.datasets.files import RESTORE, damaged, home
from suite.datasets.parts import PartPatch, nearest_distances, part_boxes
from suite.datasets.tables import Floats, Ints, Records, file_inside, no_collection, read_json
from suite.datasets.views import View, ViewSet
from suite.errors import DatasetError, unknown
from suite.protocol.constants import constant

PARTS: dict[int, str] = {number: part for part, number in constant("coco_parts", "parts").items()}
"""Keypoint number, from 1 -> name, in the order of the labels (official code, moco/loader.py)."""

VISIBLE: int = constant("coco_parts", "visible")
VISIBILITIES = (0, 1, 2)
"""Not labelled, labelled but hidden, visible: no other is in COCO's format."""
FEWEST: int = constant("coco_parts", "fewest")
LONGER_SIDE_PX: tuple[float, float] = constant("coco_objects", "longer_side_px")
SIDE: float = constant("coco_objects", "side")
CROWDS: bool = constant("coco_objects", "crowds")
SPLITS = ("train2017", "val2017")
DISTANCES = ("id", "person", "image")


@no_collection()
def part_patches(
    root: Path, split: str = "train2017", *, keypoint_box: str = "half", distance: str = "id"
) -> list[PartPatch]:
    """Return part patches of a split: images in the order of each one's first contributing person, then as annotated.

    Only keypoints marked visible (2) count, and only people with at least two of the three contribute. The order is
    that of the official loader, which collects the people of an image in a dictionary; it decides which patches share
    a batch in evaluation.

    Args:
        root: folder of the dataset.
        split: "train2017" (retrieval, training) or "val2017" (classification).
        keypoint_box: see `parts.part_boxes`.
        distance: nearest other keypoint among "id": all people of the image, the annotation id being a third
            coordinate as in the official code; "person": the same person; "image": all people, pixels only,
            as the paper's text reads.

    Raises:
        RequestError: unknown split, `keypoint_box` or `distance`.
        DatasetError: a file is missing or breaks its format, or no patch is left.

    Source: official code, moco/loader.py; paper, section 4 and Table 3.
    """
    if distance not in DISTANCES:
        raise unknown("coco-distance", distance, DISTANCES)
    index = Index.read(root, "person_keypoints", split)
    _check_parts(index)
    keypoints = _keypoints(index.annotations)[:, [number - 1 for number in PARTS]]
    visible = keypoints[..., 2] == VISIBLE
    person, labels = np.nonzero(visible & (visible.sum(axis=1, keepdims=True) >= FEWEST))
    grouped = _by_first_appearance(index.image_ids[person])
    person, labels = person[grouped], labels[grouped]
    centres = keypoints[person, labels, :2]
    image_ids, ids = index.image_ids[person], index.ids[person]
    nearest = _nearest(centres, person, image_ids, ids, distance)
    indices, boxes = part_boxes(centres, nearest, keypoint_box)
    if indices.size == 0:
        raise DatasetError(f"{index.path}: expected part patches, found none: {RESTORE}")
    names = tuple(PARTS.values())
    rows = zip(image_ids[indices].tolist(), labels[indices].tolist(), boxes.tolist(), strict=True)
    return [PartPatch(index.files[i], tuple(box), label, names[label], i) for i, label, box in rows]


@no_collection()
def object_crops(root: Path, split: str = "val2017") -> ViewSet:
    """Return square crops around objects that are not crowds, labelled by category, in the order of annotations.

    The square is centred on the box, its side the box's longer side (rounded), black outside the image; kept
    where 20 < longer side < 1000 pixels. The paper publishes no rule for COCO's object retrieval: this one is
    ours, in the likeness of its part patches.

    Raises:
        RequestError: unknown split.
        DatasetError: a file is missing or breaks its format, or no crop is left.
    """
    index = Index.read(root, "instances", split)
    boxes = _boxes(index.annotations)
    labels, names = _labels(index)
    regular = CROWDS | ~_crowds(index.annotations)
    longer = boxes[:, 2:].max(axis=1)
    indices = np.flatnonzero(regular & (longer > LONGER_SIDE_PX[0]) & (longer < LONGER_SIDE_PX[1]))
    if not regular.any():
        raise DatasetError(f"{index.path}: expected objects that are not crowds, found none: {RESTORE}")
    if indices.size == 0:
        expected = f"a longer side above {LONGER_SIDE_PX[0]:g} and below {LONGER_SIDE_PX[1]:g} pixels"
        count = f"found none among {regular.sum():,} without crowds"
        raise DatasetError(f"{index.path}: expected objects with {expected}, {count}: {RESTORE}")
    side = np.rint(SIDE * longer[indices])[:, None]
    corner = np.rint(boxes[indices, :2] + boxes[indices, 2:] / 2 - side / 2)
    squares = np.hstack([corner, corner + side]).astype(np.int64).tolist()
    files = [index.files[i] for i in index.image_ids[indices].tolist()]
    views = [View(file, tuple(box)) for file, box in zip(files, squares, strict=True)]
    return ViewSet(views, labels[indices], names)


@dataclass(frozen=True)
class Index:
    """One annotation file.

    Attributes:
        path: the file.
        images: its rows, in its order.
        annotations: N rows, in its order.
        categories: its rows.
        files: image id -> file, in the order of the images.
        ids: (N,) an id of its own for each annotation.
        image_ids: (N,) id of the image that each annotation is on.
        category_ids: (N,) id of each annotation's category.
    """

    path: Path
    images: Records
    annotations: Records
    categories: Records
    files: dict[int, Path]
    ids: Ints
    image_ids: Ints
    category_ids: Ints

    @classmethod
    def read(cls, root: Path, kind: str, split: str) -> Index:
        """Read `annotations/<kind>_<split>.json`.

        Raises:
            RequestError: unknown split.
            DatasetError: the file is missing, is not in COCO's format, two of its records share an id, or one refers
                to an image or a category that it does not list.
        """
        if split not in SPLITS:
            raise unknown("split of coco", split, SPLITS)
        path = root / "annotations" / f"{kind}_{split}.json"
        document = read_json(path)
        images, annotations, categories = (
            Records.read(document, name, path) for name in ("images", "annotations", "categories")
        )
        folder = home(root, "images") / split
        names = [file_inside(folder, name, path) for name in images.texts("file_name")]
        image_ids, category_ids = annotations.whole("image_id"), annotations.whole("category_id")
        image = _unlisted(image_ids, images.ids())
        if image is not None:
            raise damaged(path, f"an annotation is on image {image}, which 'images' does not list")
        category = _unlisted(category_ids, categories.ids())
        if category is not None:
            raise damaged(path, f"an annotation is of category {category}, which 'categories' does not list")
        categories.texts("name")
        files = dict(zip(images.ids().tolist(), names, strict=True))
        return cls(path, images, annotations, categories, files, annotations.ids(), image_ids, category_ids)


def _unlisted(ids: Ints, listed_ids: Ints) -> int | None:
    """Return the smallest id that a list lacks."""
    return next(iter(np.setdiff1d(ids, listed_ids).tolist()), None)


def _keypoints(annotations: Records) -> Floats:
    """Return (N, 17, 3) x, y and visibility of every person."""
    keypoints = annotations.pixels("keypoints", 51).reshape(-1, 17, 3)
    strange = np.flatnonzero(~np.isin(keypoints[..., 2], VISIBILITIES).all(axis=1))
    if strange.size:
        raise annotations.refusal(int(strange[0]), "keypoints", "visibilities of 0, 1 or 2")
    return keypoints


def _boxes(annotations: Records) -> Floats:
    """Return (N, 4) left, top, width and height of every object."""
    boxes = annotations.pixels("bbox", 4)
    strange = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if strange.size:
        raise annotations.refusal(int(strange[0]), "bbox", "a width and a height of at least 0")
    return boxes


def _crowds(annotations: Records) -> npt.NDArray[np.bool_]:
    """Tell of every object whether it is a crowd; one that says nothing is none."""
    rows = [{"iscrowd": row.get("iscrowd", 0)} for row in annotations.rows]
    return Records(annotations.path, annotations.name, rows).whole("iscrowd", "0 or 1", largest=1) == 1


def _by_first_appearance(groups: Ints) -> Ints:
    """Return (N,) indices that put a group's members together: groups by first appearance, members in their order."""
    _, first, member_of = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(first[member_of], kind="stable")


def _nearest(centres: Floats, person: Ints, image_ids: Ints, ids: Ints, distance: str) -> Floats:
    if distance == "person":
        return nearest_distances(centres, person)
    if distance == "image":
        return nearest_distances(centres, image_ids)
    # 64-bit floats: the square of a crowd's id (12 digits) does not fit an integer
    return nearest_distances(np.column_stack([centres, ids.astype(np.float64)]), image_ids)


def _check_parts(index: Index) -> None:
    """Check that the keypoint numbers above mean what they should, where the file names them."""
    names = index.categories.rows[0].get("keypoints")
    for number, part in PARTS.items():
        name = names[number - 1] if isinstance(names, list) and number <= len(names) else "nothing"
        if not isinstance(name, str) or name.replace("_", " ") != part:
            raise damaged(index.path, f"keypoint {number}: expected {part!r}, got {shown(name)}")


def _labels(index: Index) -> tuple[Ints, tuple[str, ...]]:
    """Return the labels of all annotations (categories ranked by id, which has gaps), and the classes' names."""
    category_ids, names = index.categories.ids(), index.categories.texts("name")
    order = np.argsort(category_ids)
    return np.searchsorted(category_ids[order], index.category_ids), tuple(names[i] for i in order)
