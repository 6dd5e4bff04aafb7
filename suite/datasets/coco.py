"""COCO 2017: part patches around three keypoints of each person, and square crops around objects.

Files: `annotations/person_keypoints_<split>.json`, `annotations/instances_<split>.json`,
`images/<split>/<12 digits>.jpg` (or `<split>/...`, as the archives unpack).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from suite.datasets.files import RESTORE, column, damaged, home, no_collection, read_json, rows_of
from suite.datasets.parts import Floats, Ints, PartPatch, nearest_distances, part_boxes
from suite.datasets.views import View, ViewSet
from suite.errors import DatasetError, unknown
from suite.protocol.constants import constant

PARTS: dict[int, str] = {number: part for part, number in constant("coco_parts", "parts").items()}
"""Keypoint number, from 1 -> name, in the order of the labels (official code, moco/loader.py)."""

VISIBLE: int = constant("coco_parts", "visible")
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
    keypoints = index.numbers("keypoints", 51).reshape(-1, 17, 3)[:, [number - 1 for number in PARTS]]
    visible = keypoints[..., 2] == VISIBLE
    person, labels = np.nonzero(visible & (visible.sum(axis=1, keepdims=True) >= FEWEST))
    grouped = _by_first_appearance(index.numbers("image_id", 1)[person, 0])
    person, labels = person[grouped], labels[grouped]
    centres = keypoints[person, labels, :2]
    image_ids, ids = (index.numbers(key, 1)[person, 0].astype(np.int64) for key in ("image_id", "id"))
    nearest = _nearest(centres, person, image_ids, ids, distance)
    indices, boxes = part_boxes(centres, nearest, keypoint_box)
    if indices.size == 0:
        raise DatasetError(f"{index.path}: expected part patches, found none: {RESTORE}")
    names = tuple(PARTS.values())
    files = {image_id: index.file(image_id) for image_id in np.unique(image_ids[indices]).tolist()}
    rows = zip(image_ids[indices].tolist(), labels[indices].tolist(), boxes.tolist(), strict=True)
    return [PartPatch(files[i], tuple(box), label, names[label], i) for i, label, box in rows]


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
    boxes = index.numbers("bbox", 4)
    crowd = np.array([row.get("iscrowd", 0) for row in index.annotations], dtype=bool)
    longer = boxes[:, 2:].max(axis=1)
    indices = np.flatnonzero((CROWDS | ~crowd) & (longer > LONGER_SIDE_PX[0]) & (longer < LONGER_SIDE_PX[1]))
    if indices.size == 0:
        raise DatasetError(f"{index.path}: expected objects that are not crowds, found none: {RESTORE}")
    side = np.rint(SIDE * longer[indices])[:, None]
    corner = np.rint(boxes[indices, :2] + boxes[indices, 2:] / 2 - side / 2)
    squares = np.hstack([corner, corner + side]).astype(np.int64).tolist()
    image_ids, labels, names = index.column("image_id"), *_categories(index)
    views = [View(index.file(image_ids[i]), tuple(box)) for i, box in zip(indices, squares, strict=True)]
    return ViewSet(views, labels[indices], names)


@dataclass(frozen=True)
class Index:
    """One annotation file, indexed by pycocotools.

    Attributes:
        path: the file.
        images: its rows, in its order.
        annotations: its rows, in its order, each with an id of its own.
        categories: its rows.
        folder: where the images lie.
        names: image id -> file name.
    """

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    folder: Path
    names: dict[int, str]

    @classmethod
    def read(cls, root: Path, kind: str, split: str) -> Index:
        """Read `annotations/<kind>_<split>.json`.

        Raises:
            RequestError: unknown split.
            DatasetError: the file is missing, is not in COCO's format, or two annotations share an id.
        """
        if split not in SPLITS:
            raise unknown("split of coco", split, SPLITS)
        path = root / "annotations" / f"{kind}_{split}.json"
        document = read_json(path)
        images, annotations, categories = (rows_of(document, k, path) for k in ("images", "annotations", "categories"))
        for key, rows in (("annotations", annotations), ("categories", categories)):
            column(rows, "id", f"{path}: {key}")
        ids, names = (column(images, key, f"{path}: images") for key in ("id", "file_name"))
        api = COCO()
        api.dataset = document
        try:
            with contextlib.redirect_stdout(None):  # it reports its progress
                api.createIndex()
        except KeyError as error:
            raise damaged(path, f"annotations: expected {error} in each") from error
        if len(api.anns) < len(annotations):
            raise damaged(path, f"expected an id of its own for each of {len(annotations):,} annotations")
        folder, file_names = home(root, "images") / split, dict(zip(ids, names, strict=True))
        return cls(path, images, api.loadAnns(api.getAnnIds()), api.loadCats(api.getCatIds()), folder, file_names)

    def column(self, key: str) -> list[Any]:
        """Return `key` of every annotation."""
        return column(self.annotations, key, f"{self.path}: annotations")

    def numbers(self, key: str, width: int) -> Floats:
        """Return (N, width) numbers of every annotation."""
        try:
            return np.array(self.column(key), dtype=np.float64).reshape(len(self.annotations), width)
        except (ValueError, TypeError) as error:
            raise damaged(self.path, f"annotations: {key!r}: expected {width} number(s) in each") from error

    def file(self, image_id: int) -> Path:
        """Return the file of an image that an annotation is on."""
        if image_id not in self.names:
            raise damaged(self.path, f"an annotation is on image {image_id}, which 'images' does not list")
        return self.folder / self.names[image_id]


def _by_first_appearance(groups: Floats) -> Ints:
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
    names = index.categories[0].get("keypoints", [])
    for number, part in PARTS.items():
        name = names[number - 1].replace("_", " ") if number <= len(names) else "nothing"
        if name != part:
            raise damaged(index.path, f"keypoint {number}: expected {part!r}, got {name!r}")


def _categories(index: Index) -> tuple[Ints, tuple[str, ...]]:
    """Return the labels of all annotations (categories ranked by id, which has gaps), and the classes' names."""
    ids, names = (column(index.categories, key, f"{index.path}: categories") for key in ("id", "name"))
    names_by_id = dict(sorted(zip(ids, names, strict=True)))
    rank = {category_id: label for label, category_id in enumerate(names_by_id)}
    category_ids = index.column("category_id")
    strange = set(category_ids) - rank.keys()
    if strange:
        raise damaged(index.path, f"an annotation is of category {min(strange)}, which 'categories' does not list")
    return np.array([rank[category_id] for category_id in category_ids], dtype=np.int64), tuple(names_by_id.values())
