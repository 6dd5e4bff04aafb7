"""Training and held-out images, drawn once and cached; batches that depend on nothing but the step."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from suite.core.files import write_atomically

SIZE_PX = 64
TRAIN, HELD_OUT = 24_000, 1_200
# far from every seed that the embedded datasets are drawn from
TRAIN_SEED, HELD_OUT_SEED, PARTS_SEED = 70_001, 70_002, 70_003
PART_SCENES, PER_PART = 900, 60
FEW = 16
PART_SCENE_PX, PART_SIDE_PX, PART_MIN_PX, VIEW_PX = 96, 32, 12, 48


@dataclass(frozen=True)
class Drawings:
    """Images (N, 64, 64, 3) uint8 with their object classes (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    @property
    def checksum(self) -> int:
        """Checksum of the first images and all labels."""
        return zlib.crc32(self.labels.tobytes(), zlib.crc32(self.images[:FEW].tobytes()))

    def batch(self, step: int, size: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the batch of a step: a pure function of step and seed, an epoch being a fresh permutation."""
        per_epoch = len(self.images) // size
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(self.images))
        indices = order[position * size : (position + 1) * size]
        return torch.from_numpy(self.images[indices]).to(device), torch.from_numpy(self.labels[indices]).to(device)


@dataclass(frozen=True)
class HeldOut:
    """Images for health checks only: whole drawings, and square crops around their parts labelled by part."""

    objects: Drawings
    parts: Drawings


def load(cache: Path) -> tuple[Drawings, HeldOut]:
    """Load the training and held-out drawings, from the cache or drawn into it.

    Raises:
        StorageError: the cache cannot be written.
    """
    from suite.mini.scene import pretraining_images

    def objects(count: int, seed: int) -> Drawings:
        path = cache / f"objects-{seed}-{count}-{SIZE_PX}.npz"
        return cached(path, count, lambda n: Drawings(*pretraining_images(n, seed, size=SIZE_PX)))

    parts_path = cache / f"parts-{PARTS_SEED}-{PART_SCENES}.npz"
    parts = cached(parts_path, PART_SCENES, lambda n: part_crops(n, PARTS_SEED))
    return objects(TRAIN, TRAIN_SEED), HeldOut(objects(HELD_OUT, HELD_OUT_SEED), parts)


def cached(path: Path, count: int, make: Callable[[int], Drawings]) -> Drawings:
    """Return `make(count)`, kept in a file; made again if the first few come out otherwise than they are stored.

    Args:
        path: of the file.
        count: how many to make.
        make: draws the first n of a fixed sequence.
    """
    if path.exists():
        with np.load(path) as arrays:
            stored_drawings = Drawings(arrays["images"], arrays["labels"])
        few = make(FEW)
        if np.array_equal(stored_drawings.images[: len(few.images)], few.images):
            return stored_drawings
    drawings = make(count)
    write_atomically(path, lambda file: np.savez(file, images=drawings.images, labels=drawings.labels))
    return drawings


def part_crops(scenes: int, seed: int) -> Drawings:
    """Return crops of a third of the frame around one shape of every part type that a scene shows, alike in number."""
    from suite.mini.scene import PARTS, draw

    crops, labels, counts = [], [], dict.fromkeys(PARTS, 0)
    for index in range(scenes):
        scene = draw(np.random.default_rng([seed, index]), None, PART_SCENE_PX)
        part_numbers = {shape.part: number for number, (_, shape) in enumerate(scene.shapes, 1)}
        for part, number in part_numbers.items():
            rows, columns = np.nonzero(scene.shape_map == number)
            if len(rows) < PART_MIN_PX or counts[part] == PER_PART:
                continue
            counts[part] += 1
            left, top = round(columns.mean()) - PART_SIDE_PX // 2, round(rows.mean()) - PART_SIDE_PX // 2
            box = (left, top, left + PART_SIDE_PX, top + PART_SIDE_PX)
            crops.append(np.asarray(Image.fromarray(scene.image).resize((VIEW_PX, VIEW_PX), box=inside(box))))
            labels.append(PARTS.index(part))
    return Drawings(np.stack(crops), np.array(labels, np.int64))


def inside(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Move the box into the scene."""
    left, top = (min(max(v, 0), PART_SCENE_PX - PART_SIDE_PX) for v in box[:2])
    return left, top, left + PART_SIDE_PX, top + PART_SIDE_PX
