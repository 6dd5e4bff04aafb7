"""Tiny copies of the datasets' native formats, with the awkward files that the real ones hold."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CIFAR_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CUB_PARTS = ["back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape"]
CUB_PARTS += ["right eye", "right leg", "right wing", "tail", "throat"]
COCO_KEYPOINTS = ["nose"] + [
    f"{side}_{joint}"
    for joint in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Pixels (H, W, 3) without two equal rows."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str = "RGB", file_format: str | None = None) -> Path:
    """Write an image in any mode, under any suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    image.save(path, format=file_format or {".png": "PNG"}.get(path.suffix, "JPEG"))
    return path


def broken_exif(path: Path) -> Path:
    """Give a JPEG an EXIF block that promises entries which do not follow."""
    content = path.read_bytes()
    block = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x05\x01\x12"
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + content[2:])
    return path


def truncate(path: Path) -> Path:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def write_cifar10(root: Path, rows: int = 3, *, test: dict[str, Any] | None = None, python2: bool = False) -> Path:
    """`cifar-10-batches-py`; `test` replaces entries of the test batch."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    meta = {"label_names": CIFAR_NAMES, "num_cases_per_batch": rows, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    for seed, name in enumerate(["test_batch", *(f"data_batch_{i}" for i in range(1, 6))]):
        data = np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)
        batch = {"batch_label": name, "labels": [(seed + i) % 10 for i in range(rows)], "data": data}
        batch |= test if test and name == "test_batch" else {}
        content = pickle.dumps(batch, protocol=2)
        (folder / name).write_bytes(as_python2(content, data) if python2 else content)
    return root


def as_python2(content: bytes, data: np.ndarray) -> bytes:
    """A batch as Python 2 with NumPy 1 wrote it: old module name, the array's bytes as a short string."""
    raw = data.tobytes()
    shape = b"K" + bytes([data.shape[0]]) + b"M\x00\x0c\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01"
        + shape
        + b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    )
    labels = b"(lp1\n" + b"".join(b"I%d\na" % label for label in pickle.loads(content)["labels"])
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u."


def write_cub200(root: Path, points: Sequence[tuple[int, int, float, float, int]], *, images: int = 2) -> Path:
    """`CUB_200_2011` with `points` (image, part, x, y, visible); odd images train, even ones test.

    As in the real set, ids are not in the order of the file names, and the first image is a grayscale file.
    """
    folder = root / "CUB_200_2011"
    (folder / "parts").mkdir(parents=True)
    ids = range(1, images + 1)
    names = [f"{200 - i:03d}.Bird_{i}/Bird_{i}_000{i}.jpg" for i in ids]
    for i, name in enumerate(names):
        save(folder / "images" / name, noise(120, 160, i), "L" if i == 0 else "RGB")
    _lines(folder / "images.txt", list(zip(ids, names, strict=True)))
    _lines(folder / "train_test_split.txt", [(i, i % 2) for i in ids])
    _lines(folder / "classes.txt", [(200 - i, f"{200 - i:03d}.Bird_{i}") for i in reversed(ids)])
    _lines(folder / "image_class_labels.txt", [(i, 200 - i) for i in ids])
    _lines(folder / "bounding_boxes.txt", [(i, 0.0, 1.0, 161.0, 100.0) for i in ids])  # a pixel too wide, as some are
    _lines(folder / "parts" / "parts.txt", list(enumerate(CUB_PARTS, 1)))
    seen = {(image, part): (x, y, visible) for image, part, x, y, visible in points}
    every = [(image, part) for image in ids for part in range(1, 16)]
    rows = [(*key, *(f"{v}" for v in seen.get(key, (0.0, 0.0, 0)))) for key in every]
    _lines(folder / "parts" / "part_locs.txt", rows)
    return root


def person(image_id: int, annotation_id: int, **points: tuple[float, float, int]) -> dict[str, Any]:
    """A person's annotation; keypoints by name, the others unlabelled."""
    triples = [points.get(name, (0, 0, 0)) for name in COCO_KEYPOINTS]
    flat = [value for triple in triples for value in triple]
    counted = sum(v > 0 for v in flat[2::3])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": counted,
    } | {"keypoints": flat}


def write_coco(root: Path, kind: str, split: str, annotations: list[dict[str, Any]], *, images: int = 2) -> Path:
    """`annotations/<kind>_<split>.json` and its images, 160 x 120."""
    folder = root / "images" / split
    names = [f"{i:012d}.jpg" for i in range(1, images + 1)]
    for i, name in enumerate(names):
        save(folder / name, noise(120, 160, i), "L" if i == 0 else "RGB")
    categories: list[dict[str, Any]] = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
    if kind == "person_keypoints":
        categories = [{"id": 1, "name": "person", "keypoints": COCO_KEYPOINTS}]
    listed = [{"id": i, "file_name": n, "height": 120, "width": 160} for i, n in enumerate(names, 1)]
    document = {
        "info": {},
        "licenses": [],
        "images": listed,
        "annotations": annotations,
        "categories": categories,
    }
    path = root / "annotations" / f"{kind}_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return root


def write_imagenet(root: Path) -> Path:
    """Two classes; train holds a PNG called .JPEG, val a grayscale and a CMYK JPEG, and one with broken EXIF."""
    save(root / "train/n02105855/n02105855_2933.JPEG", noise(40, 60, 1), file_format="PNG")
    save(root / "train/n01440764/n01440764_1.JPEG", noise(40, 60, 2))
    save(root / "val/n01440764/ILSVRC2012_val_00000002.JPEG", noise(40, 60, 3), "L")
    save(root / "val/n01440764/ILSVRC2012_val_00000001.JPEG", noise(60, 40, 4), "CMYK")
    broken_exif(save(root / "val/n02105855/ILSVRC2012_val_00000003.JPEG", noise(50, 50, 5)))
    return root


def write_segmentation(images: Path, masks: Path, labels: dict[str, np.ndarray], mode: str = "L") -> None:
    """An image and a mask for each `stem: labels (H, W)`."""
    for seed, (stem, values) in enumerate(labels.items()):
        save(images / f"{stem}.jpg", noise(*values.shape, seed=seed))
        mask = Image.fromarray(values)
        if mode == "P":
            mask = mask.convert("L")
            mask.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
        (masks / stem).parent.mkdir(parents=True, exist_ok=True)
        mask.convert(mode).save(masks / f"{stem}.png")


def _lines(path: Path, rows: Sequence[tuple[object, ...]]) -> None:
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
