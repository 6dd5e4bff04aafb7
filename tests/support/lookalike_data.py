"""A data folder with every dataset's look-alike, in which every experiment of the paper profile can run."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from suite.datasets.segmentation import folders
from suite.datasets.segmentation_classes import CLASSES
from tests.support.lookalikes import (
    noise,
    person,
    save,
    write_cifar10,
    write_coco,
    write_cub200,
    write_imagenet,
    write_segmentation,
)

SIZES: dict[str, dict[str, int]] = {
    "cifar10": {"train": 100, "test": 20},
    "coco": {"train2017": 5, "val2017": 5},
    "cub200": {"train": 3, "test": 3},
    "imagenet1k": {"train": 2, "val": 6},
    **{name: {"train": 3, "val": 3} for name in CLASSES},
}
"""Images by split."""

CROWD = 900_100_000_000
_QUERIES = (1412, 13660, 18569)


def write_data(data: Path) -> Path:
    """All ten datasets, with the awkward files that the real ones hold."""
    write_cifar10(data / "cifar10", rows=20, python2=True)
    write_cub200(data / "cub200", _birds(), images=6)
    for split in ("train2017", "val2017"):
        write_coco(data / "coco", "person_keypoints", split, _people(), images=5)
    write_coco(data / "coco", "instances", "val2017", _things(), images=5)
    imagenet = write_imagenet(data / "imagenet1k")
    for number in _QUERIES:
        save(imagenet / f"val/n02105855/ILSVRC2012_val_{number:08d}.JPEG", noise(40, 70, number))
    for name, classes in CLASSES.items():
        for split in ("train", "val"):
            images, masks = folders(name, data / name, split)
            mode = "P" if name.startswith("pascal") else "L"
            write_segmentation(images, masks, _masks(split, len(classes)), mode)
            first = min(images.glob("*.jpg"))
            save(first, noise(40, 60), "L")  # some of ADE20K's photographs are gray
    return data


def _birds() -> list[tuple[int, int, float, float, int]]:
    """Six birds: all four parts far apart, then a pair, a lone part, coincident parts, and parts at the border."""
    corners = {9: (20.0, 20.0), 11: (140.0, 20.0), 12: (20.0, 100.0), 14: (140.0, 100.0)}
    whole = [(i, part, x, y, 1) for i in (1, 2, 3) for part, (x, y) in corners.items()]
    return [
        *whole,
        (4, 9, 10.0, 10.0, 1),
        (4, 12, 10.0, 80.0, 1),
        (4, 1, 11.0, 10.0, 1),  # the back: not one of the four
        (5, 14, 60.0, 60.0, 1),  # alone
        (6, 11, 50.0, 50.0, 1),
        (6, 9, 50.0, 50.0, 1),  # on the same spot
        (6, 14, 159.0, 119.0, 1),
        (6, 12, 0.0, 0.0, 0),
    ]


def _people() -> list[dict[str, Any]]:
    """Image 4 has people without keypoints only, image 5 nobody."""
    rows = [
        person(2, 7, nose=(10, 30, 2), right_wrist=(90, 30, 2), left_ankle=(60, 100, 1)),
        person(1, 100, nose=(20, 20, 2), right_wrist=(20, 80, 2), left_ankle=(100, 100, 2)),
        person(1, 5_000, nose=(70, 20, 2), left_ankle=(70, 110, 2)),
        person(1, 6_000, nose=(20, 21, 2)),
        person(3, CROWD, nose=(21, 80, 2), right_wrist=(21, 20, 2)) | {"iscrowd": 1},
        person(4, 9_000),
    ]
    return [row | {"bbox": [5.5, 4.25, 60.0, 80.0]} for row in rows]


def _things() -> list[dict[str, Any]]:
    ids = count(1)
    boxes = [(1, 1, [0.0, 0.0, 60.5, 80.0]), (2, 90, [100.2, 60.0, 59.8, 60.0]), (3, 1, [10.0, 10.0, 30.0, 90.0])]
    boxes += [(4, 90, [40.0, 20.0, 50.0, 25.0]), (3, 90, [1.0, 1.0, 5.0, 5.0])]
    rows = [{"id": next(ids), "image_id": i, "category_id": c, "bbox": b, "iscrowd": 0} for i, c, b in boxes]
    return [*rows, rows[0] | {"id": CROWD, "iscrowd": 1}]


def _masks(split: str, classes: int) -> dict[str, np.ndarray]:
    """Every class somewhere, unlabelled and ignored pixels, and a mask without any class."""
    every = np.resize(np.arange(classes + 1, dtype=np.uint8), (40, 60))
    every[:4] = 255
    shapes = {f"{split}_2": every, f"{split}_10": np.ascontiguousarray(every.T), f"{split}_1": np.zeros_like(every)}
    return {f"sub/{stem}" if stem.endswith("_2") else stem: labels for stem, labels in shapes.items()}
