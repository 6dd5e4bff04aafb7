"""Steps on images: who decodes them, and whether what is made ahead, beside the card's work, is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from suite.acceptance.site import Answer, Site, verdict
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.parity import MAX_LEVELS, MEAN_LEVELS, parity
from suite.plan.samples import drawn_store
from suite.segmentation.ahead import CropsAhead
from suite.segmentation.crops import CropRecipe, Crops

COUNT, SIDE, STEPS = 24, 96, 8
COLOURS = {"full colour (4:4:4)": 0, "reduced colour (4:2:0)": 2}
"""Kinds of JPEG, and PIL's word for each; nvJPEG is given those of full colour alone."""


def decoding(site: Site) -> Answer:
    """Decode and resize JPEGs on the device, and hold the pixels against PIL's."""
    comparisons = {
        name: parity(_pictures(site.folder / f"colour{word}", word), SIDE, decoder="device", device=site.device)
        for name, word in COLOURS.items()
    }
    on_device = comparisons["full colour (4:4:4)"].on_device
    passes = all(comparison.passes for comparison in comparisons.values()) and bool(on_device)
    return verdict(
        passes,
        "; ".join(f"{name}: {comparison}" for name, comparison in comparisons.items())
        + ("" if on_device else "; the device decoded none: torchvision without nvJPEG, or a driver that refuses"),
        images=COUNT,
        decoded_on_device=on_device,
        max_levels={name: comparison.max_levels for name, comparison in comparisons.items()},
        mean_levels={name: comparison.mean_levels for name, comparison in comparisons.items()},
        allowed={"max_levels": MAX_LEVELS, "mean_levels": MEAN_LEVELS},
    )


def stream(site: Site) -> Answer:
    """Make batches ahead while the device is busy: the same bits as without hurry, and as on the CPU."""
    paths = _pictures(site.folder / "colour0", 0)
    here = _batches(paths, "cpu", "fast", busy=False)
    same = {
        "copied": torch.equal(_batches(paths, site.device, "fast", busy=True), here),
        "made on the device": torch.equal(
            _batches(paths, site.device, "device", busy=True), _batches(paths, site.device, "device", busy=False)
        ),
    }
    wrong = [name for name, equal in same.items() if not equal]
    detail = f"batches {' and '.join(wrong)} ahead are others" if wrong else "batches made ahead have the same bits"
    return verdict(not wrong, detail, same=same)


def crops(site: Site) -> Answer:
    """Make training crops ahead while the device is busy: the same bits as in the order of the steps."""
    folder = site.folder / "crops"
    folder.mkdir(exist_ok=True)
    store = drawn_store(folder, 160 * 160, 2, classes=8, count=6, device=site.device)
    make = Crops(store, CropRecipe(64, (256, 128), 4), seed=0, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    expected = [make(step) for step in range(STEPS)]
    matrix, batches = torch.ones(512, 512, device=site.device), []
    with CropsAhead(make, STEPS, site.device, threaded=True) as ahead:
        for step in range(STEPS):
            batches.append(ahead(step))
            for _ in range(20):
                matrix = (matrix @ matrix).clamp(max=1)
    others = [
        step
        for step, pair in enumerate(zip(batches, expected, strict=True))
        if not all(torch.equal(a, b) for a, b in zip(*(batch.tensors() for batch in pair), strict=True))
    ]
    if others:
        return Answer("failed", f"crops made ahead are others in steps {', '.join(map(str, others))} of {STEPS}")
    return Answer("passed", f"crops of {STEPS} steps made ahead have the same bits")


def _batches(paths: list[Path], device: str, decoder: str, *, busy: bool) -> Tensor:
    """Return all pixels of an epoch, (N, 3, S, S) on the CPU, made while the device multiplies, or not."""
    images = ImageStream(paths, SIDE, augment=True, decoder=decoder, device=device)  # type: ignore[arg-type]
    matrix = torch.ones(512, 512, device=device)
    parts = []
    for _, pixels in images.batches(0, np.array_split(np.arange(len(paths)), 6)):
        for _ in range(20 if busy else 0):
            matrix = (matrix @ matrix).clamp(max=1)
        parts.append(pixels.clone())
    return torch.cat(parts).cpu()


def _pictures(folder: Path, subsampling: int) -> list[Path]:
    """Draw JPEGs with edges and texture, once."""
    folder.mkdir(exist_ok=True)
    for number in range(COUNT):
        path = folder / f"{number}.jpg"
        if not path.exists():
            rng = np.random.default_rng(number)
            width, height = (int(side) for side in rng.integers(130, 400, 2))
            total = np.full((height, width, 3), 128.0)
            for blocks, strength in ((6, 60), (24, 35), (96, 20)):
                layer = Image.fromarray(rng.integers(0, 255, (blocks, blocks, 3), dtype=np.uint8))
                total += (
                    (np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC), float) - 128) * strength / 60
                )
            picture = Image.fromarray(total.clip(0, 255).astype(np.uint8))
            picture.save(path, "JPEG", quality=90, subsampling=subsampling)
    return sorted(folder.iterdir())
