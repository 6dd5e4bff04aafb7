"""Resizing in batches on a device: PIL's pixels, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from suite.imagenet_pipeline import resample as module
from suite.imagenet_pipeline.augment import Region, draw_crops, evaluation_region, training_region
from suite.imagenet_pipeline.resample import resample
from tests.support.lookalikes import noise

SIZES = [
    (90, 60),
    (60, 90),
    (48, 48),
    (200, 40),
    (40, 200),
    (33, 35),
    (7, 5),
    (1, 1),
    (120, 100),
    (31, 400),
    (2400, 900),
]
"""(width, height): enlarged and reduced, along one axis or both; PIL resizes (40, 200) from top to bottom first."""


def by_pil(pixels: np.ndarray, region: Region) -> np.ndarray:
    resized = Image.fromarray(pixels).crop(region.box).resize(region.resized, Image.Resampling.BICUBIC)
    left, top = region.window
    window = resized.crop((left, top, left + region.size, top + region.size))
    return np.asarray(window.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if region.mirrored else window)


def ours(images: list[np.ndarray], regions: list[Region]) -> np.ndarray:
    return resample([torch.from_numpy(image).permute(2, 0, 1) for image in images], regions).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("size", [32, 48])
def test_white_noise_is_resized_as_by_pil(size: int) -> None:
    images = [noise(height, width, seed) for seed, (width, height) in enumerate(SIZES)] * 8
    draws = draw_crops(len(images), seed=0, epoch=0)
    regions = [
        evaluation_region(image.shape[1], image.shape[0], size)
        if i < len(SIZES)
        else training_region(image.shape[1], image.shape[0], size, draws[i])
        for i, image in enumerate(images)
    ]
    assert len({region.down_first for region in regions}) == len({region.mirrored for region in regions}) == 2
    for pixels, image, region in zip(ours(images, regions), images, regions, strict=True):
        np.testing.assert_array_equal(pixels, by_pil(image, region), str(region))


def test_extremes_do_not_overflow() -> None:
    """Edges between black and white overshoot as far as the filter can."""
    image = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 2, (30, 30, 1)) * 255, 5, 0), 5, 1)
    image = np.ascontiguousarray(np.broadcast_to(image, (150, 150, 3)), dtype=np.uint8)
    for box in ((0, 0, 150, 150), (3, 4, 40, 50)):
        region = Region(64, box, (64, 64))
        np.testing.assert_array_equal(ours([image], [region])[0], by_pil(image, region))


@pytest.mark.parametrize("size", [16, 48])
def test_the_order_of_pils_passes_is_known(size: int) -> None:
    """Rounding in between tells which pass came first."""
    bicubic = Image.Resampling.BICUBIC
    for width in (20, 40, 60, 100):
        for height in range(size + 1, 4 * width + 40, 7):
            image = Image.fromarray(noise(height, width))
            pixels = np.asarray(image.resize((size, size), bicubic))
            down_first = image.resize((width, size), bicubic).resize((size, size), bicubic)
            agrees = np.array_equal(pixels, np.asarray(down_first))
            assert Region(size, (0, 0, width, height), (size, size)).down_first == agrees, (width, height)


def test_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [noise(height, width, seed) for seed, (width, height) in enumerate(SIZES)]
    regions = [evaluation_region(image.shape[1], image.shape[0], 32) for image in images]
    together = ours(images, regions)
    monkeypatch.setattr(module, "_AT_ONCE", 3 * 90 * 90 * 3)
    assert len(list(module._groups(module._axes(regions)))) > 3
    np.testing.assert_array_equal(ours(images, regions), together)
