"""The datasets' index files read again, slowly and without a line of the suite, to hold a reader's value against."""

from __future__ import annotations

import io
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

Patch = tuple[str, tuple[int, ...], int]
"""Path, box, label."""
COCO_PARTS = (1, 11, 16)
CUB_PARTS = (11, 12, 9, 14)
"""Numbers of the keypoints, from 1, in the order of the labels (official code, moco/loader.py)."""
FAR = 999_999.0


def _boxes(points: list[tuple[float, ...]]) -> list[tuple[int, ...] | None]:
    """Box of each point of an image, sized by the distance to the nearest other; None where there is no patch."""
    boxes: list[tuple[int, ...] | None] = []
    for point in points:
        distances = [math.sqrt(sum((a - b) * (a - b) for a, b in zip(point, other, strict=True))) for other in points]
        nearest = min([d for d in distances if d > 0], default=FAR)
        if not 40 < nearest < 2000:
            boxes.append(None)
            continue
        half = round(nearest / 4)
        boxes.append(tuple(round(v) for v in (point[0] - half, point[1] - half, point[0] + half, point[1] + half)))
    return boxes


def coco_parts(content: bytes, folder: Path) -> list[Patch]:
    """Part patches by the distance that has the annotation's id as a third coordinate."""
    document = json.loads(content)
    images: dict[Any, list[tuple[float, float, float, int]]] = {}
    for person in document["annotations"]:
        triples = [person["keypoints"][3 * number - 3 : 3 * number] for number in COCO_PARTS]
        visible = [(float(x), float(y), float(person["id"]), k) for k, (x, y, v) in enumerate(triples) if v == 2]
        if len(visible) >= 2:
            images.setdefault(person["image_id"], []).extend(visible)
    names = {image["id"]: image["file_name"] for image in document["images"]}
    return [
        (str(folder / names[image]), box, label)
        for image, points in images.items()
        for (*_, label), box in zip(points, _boxes([point[:3] for point in points]), strict=True)
        if box
    ]


def coco_objects(content: bytes, folder: Path) -> list[Patch]:
    """Square crops around objects that are no crowds."""
    document = json.loads(content)
    names = {image["id"]: image["file_name"] for image in document["images"]}
    ranks = {c: k for k, c in enumerate(sorted(category["id"] for category in document["categories"]))}
    crops = []
    for thing in document["annotations"]:
        x, y, width, height = thing["bbox"]
        longer = max(width, height)
        if thing.get("iscrowd", 0) == 0 and 20 < longer < 1000:
            side = round(longer)
            left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
            box = (left, top, left + side, top + side)
            crops.append((str(folder / names[thing["image_id"]]), box, ranks[thing["category_id"]]))
    return crops


def cub_parts(root: Path, split: str) -> list[Patch]:
    """Part patches by image, then part."""

    def rows(name: str, cells: int) -> list[list[str]]:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        return [line.split(None, cells - 1) for line in lines if line.strip()]

    names = {int(i): name.strip() for i, name in rows("images.txt", 2)}
    train = {int(float(i)): int(float(flag)) for i, flag in rows("train_test_split.txt", 2)}
    wanted = {"all": (0, 1), "train": (1,), "test": (0,)}[split]
    places: dict[int, dict[int, tuple[float, float]]] = {}
    for image, part, x, y, visible in rows("parts/part_locs.txt", 5):
        if float(visible) == 1 and float(part) in CUB_PARTS and train[int(float(image))] in wanted:
            places.setdefault(int(float(image)), {})[int(float(part))] = (float(x), float(y))
    patches: list[Patch] = []
    for image in sorted(places):
        parts = sorted(places[image])
        for part, box in zip(parts, _boxes([places[image][part] for part in parts]), strict=True):
            if box:
                patches.append((str(root / "images" / names[image]), box, CUB_PARTS.index(part)))
    return patches


def unpickled(content: bytes) -> Any:
    """What a pickle of Python 2 or 3 holds; Python's reader in C asks for as much memory as a damaged number says."""
    return pickle._loads(content, encoding="latin1")


class _Arrays(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return lambda text, _: text.encode("latin1")
        if module.partition(".")[0] != "numpy" or name not in {"ndarray", "dtype", "_reconstruct"}:
            raise ValueError(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def cifar10(content: bytes) -> tuple[np.ndarray, list[int]]:
    """Pixels (N, 32, 32, 3) and labels of a batch."""
    batch = _Arrays(io.BytesIO(content), encoding="latin1").load()
    planes = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
    return np.stack([planes[:, 0], planes[:, 1], planes[:, 2]], axis=-1), list(batch["labels"])
