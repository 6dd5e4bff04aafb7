"""COCO 2017: `images/{train2017,val2017}` and, per split, the JSON files of instances and of person keypoints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from suite.mini.datasets.base import Parallel, generator, save_jpeg, sized
from suite.mini.draw import Scene, Thing
from suite.mini.scene import draw_group

FAMILY = {"train2017": 4, "val2017": 5}
IMAGES = {"train2017": 600, "val2017": 320}
WIDTHS, HEIGHTS = (300, 381), (240, 281)
PERSONS = 0.4
"""Share of the objects that are persons; the rest is spread over the other categories."""
GRAYSCALE_EVERY, CROWD_EVERY = 60, 40

CATEGORIES = {
    1: ("person", "person"), 3: ("vehicle", "car"), 5: ("vehicle", "airplane"), 6: ("vehicle", "bus"),
    8: ("vehicle", "truck"), 9: ("vehicle", "boat"), 16: ("animal", "bird"), 17: ("animal", "cat"),
    18: ("animal", "dog"), 19: ("animal", "horse"), 21: ("animal", "cow"), 22: ("animal", "elephant"),
}  # fmt: skip
"""COCO's id -> supercategory and name, of what the mini study draws."""
BIRDS = ("finch", "duck", "ostrich")

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee",
    "left ankle", "right ankle",
)  # fmt: skip
SKELETON = [
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10],
    [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
]  # fmt: skip

_IDS = {"bird" if name in BIRDS else name: i for i, (_, name) in CATEGORIES.items()}


@dataclass(frozen=True)
class _Drawn:
    """An image's entry in the JSON files, and its annotations but for their ids."""

    image: dict[str, Any]
    annotations: list[dict[str, Any]]


def write(root: Path, parallel: Parallel, share: float) -> None:
    """Write both splits."""
    (root / "annotations").mkdir(parents=True)
    for split, images in IMAGES.items():
        (root / "images" / split).mkdir(parents=True)
        drawings = parallel(partial(_write_image, root=root, split=split), sized(images, share, least=8))
        annotations = [annotation for drawing in drawings for annotation in drawing.annotations]
        for number, annotation in enumerate(annotations, start=1):
            annotation["id"] = _annotation_id(number, crowd=annotation["iscrowd"] == 1)
        content = {
            "info": {"description": f"Mini study, drawn in the format of COCO {split}", "year": 2017},
            "licenses": [{"url": "", "id": 1, "name": "Drawn, not photographed"}],
            "images": [drawing.image for drawing in drawings],
        }
        _write_instances(root / "annotations" / f"instances_{split}.json", content, annotations)
        _write_keypoints(root / "annotations" / f"person_keypoints_{split}.json", content, annotations)


def _annotation_id(number: int, *, crowd: bool) -> int:
    """Return an id as in COCO: those of one image lie far apart, those of crowds have twelve digits."""
    return 900_100_000_000 + number if crowd else number * 7919 % 2_000_003


def _write_instances(path: Path, content: dict[str, Any], annotations: list[dict[str, Any]]) -> None:
    categories = [{"supercategory": s, "id": i, "name": name} for i, (s, name) in CATEGORIES.items()]
    instances = [{k: v for k, v in a.items() if "keypoints" not in k} for a in annotations]
    path.write_text(json.dumps({**content, "annotations": instances, "categories": categories}))


def _write_keypoints(path: Path, content: dict[str, Any], annotations: list[dict[str, Any]]) -> None:
    names = [name.replace(" ", "_") for name in KEYPOINTS]
    person = {"supercategory": "person", "id": 1, "name": "person", "keypoints": names, "skeleton": SKELETON}
    persons = [a for a in annotations if a["category_id"] == 1]
    path.write_text(json.dumps({**content, "annotations": persons, "categories": [person]}))


def _write_image(index: int, root: Path, split: str) -> _Drawn:
    rng = generator(FAMILY[split], index)
    width, height = int(rng.integers(*WIDTHS)), int(rng.integers(*HEIGHTS))
    names = [_any_name(rng) for _ in range(int(rng.integers(1, 4)))]
    scene = draw_group(rng, names, width, height)
    image_id = 139 + 577 * index
    file_name = f"{image_id:012d}.jpg"
    mode = "L" if index % GRAYSCALE_EVERY == 7 else "RGB"
    save_jpeg(root / "images" / split / file_name, scene.image, mode=mode)
    annotations = [
        _annotation(thing, image_id, int((scene.object_mask == i).sum()))
        for i, thing in enumerate(scene.things, start=1)
        if thing.box != (0, 0, 0, 0)
    ]
    if index % CROWD_EVERY == 3:
        annotations.append(_crowd(scene, image_id))
    entry = {"license": 1, "file_name": file_name, "height": height, "width": width, "id": image_id}
    return _Drawn(entry, annotations)


def _any_name(rng: np.random.Generator) -> str:
    if rng.random() < PERSONS:
        return "person"
    names = [name for _, name in CATEGORIES.values() if name != "person"]
    name = names[int(rng.integers(len(names)))]
    return BIRDS[int(rng.integers(len(BIRDS)))] if name == "bird" else name


def _annotation(thing: Thing, image_id: int, area: int) -> dict[str, Any]:
    left, top, right, bottom = (float(side) for side in thing.box)
    annotation: dict[str, Any] = {
        # the box stands for the silhouette
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "area": float(area),
        "iscrowd": 0,
        "image_id": image_id,
        "bbox": [left, top, right - left, bottom - top],
        "category_id": _IDS["bird" if thing.name in BIRDS else thing.name],
    }
    if thing.name == "person":
        points = [thing.keypoints[name] for name in KEYPOINTS]
        annotation["keypoints"] = [n for x, y, v in points for n in ((int(x), int(y), v) if v else (0, 0, 0))]
        annotation["num_keypoints"] = sum(v > 0 for _, _, v in points)
    return annotation


def _crowd(scene: Scene, image_id: int) -> dict[str, Any]:
    """Return a crowd of persons without key points: the lower right quarter, as an uncompressed run-length code."""
    height, width = scene.shape_map.shape
    half, top = width // 2, height // 2
    runs = [half * height + top, height - top, *[top, height - top] * (width - half - 1)]
    return {
        "segmentation": {"counts": runs, "size": [height, width]},
        "area": float((width - half) * (height - top)),
        "iscrowd": 1,
        "image_id": image_id,
        "bbox": [float(half), float(top), float(width - half), float(height - top)],
        "category_id": 1,
        "keypoints": [0] * (3 * len(KEYPOINTS)),
        "num_keypoints": 0,
    }
