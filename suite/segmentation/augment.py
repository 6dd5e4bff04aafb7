"""The random decisions of a training crop, drawn on the host, and the colour changes, made on the device.

Decisions depend on (seed, step, item) alone, never on the device, the number of workers or the label sets.

Source: mmseg 0.11 `RandomCrop`, `RandomFlip`, `PhotoMetricDistortion`; official code, configs_local/_base_/datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.protocol.constants import constant

CANDIDATES: int = constant("segmentation", "crop_tries") + 1
"""Windows drawn for a crop: all but the last may be refused."""
PROBABILITY: float = constant("photometric", "probability")
BRIGHTNESS: float = constant("photometric", "brightness")
CONTRAST: tuple[float, float] = constant("photometric", "contrast")
SATURATION: tuple[float, float] = constant("photometric", "saturation")
HUE: tuple[int, int] = constant("photometric", "hue")
OPENCV_BLOCK = 32
"""Pixels of a row that OpenCV converts at once, by the width of AVX2's registers."""


@dataclass(frozen=True)
class Colours:
    """Photometric distortion of one crop; None where it is left out.

    Attributes:
        brightness: added, levels of 255.
        contrast: factor.
        contrast_last: contrast after saturation and hue instead of before.
        saturation: factor.
        hue: added, half degrees.
    """

    brightness: float | None
    contrast: float | None
    contrast_last: bool
    saturation: float | None
    hue: int | None


def draw_colours(rng: np.random.Generator) -> Colours:
    """Draw each change with probability one half; hue -18 to 17, since the official upper bound is exclusive."""

    def maybe(low: float, high: float) -> float | None:
        happens, value = rng.random() < PROBABILITY, rng.uniform(low, high)
        return value if happens else None

    brightness, contrast, saturation = maybe(-BRIGHTNESS, BRIGHTNESS), maybe(*CONTRAST), maybe(*SATURATION)
    hue = int(rng.integers(HUE[0], HUE[1] + 1))
    last, turned = (bool(rng.random() < PROBABILITY) for _ in range(2))
    return Colours(brightness, contrast, last, saturation, hue if turned else None)


def draw_corners(rng: np.random.Generator, size: tuple[int, int], crop_px: int) -> NDArray[np.int64]:
    """Draw (11, 2) top and left of the windows to try in a resized image of `size` (height, width)."""
    return rng.integers(0, [max(side - crop_px, 0) + 1 for side in size], size=(CANDIDATES, 2))


def mirror_table(classes: Sequence[str]) -> NDArray[np.uint8]:
    """Map (256,) label -> label of the same part of the other side, by the classes' names; itself elsewhere.

    The official code mirrors pixels and keeps the labels; swapping them is the variant.
    """
    table = np.arange(256, dtype=np.uint8)
    labels = {name: label for label, name in enumerate(classes)}
    for name, label in labels.items():
        whole, _, part = name.rpartition(" ")
        for left, right in (("Left", "Right"), ("left", "right"), ("l", "r")):
            # "bus leftside", "train hleftside", "LIP Left-arm"; a lone letter counts at the start: "cat lear"
            other = part.replace(left, right, 1) if len(left) > 1 else part.replace(left, right, part.startswith(left))
            twin = labels.get(f"{whole} {other}".strip())
            if other != part and twin is not None:
                table[label], table[twin] = twin, label
                break
    return table


def distort(images: Tensor, colours: Sequence[Colours], widths: NDArray[np.int64]) -> Tensor:
    """Change the colours of a batch, in place; after every change values are cut to 0..255 and truncated.

    Args:
        images: (n, H, W, 3) uint8, RGB.
        colours: one for each.
        widths: (n,) columns of each that count; what is right of them is padding.
    """
    left_over = _left_over(images, widths)
    _each(images, [c.brightness for c in colours], lambda x, value, _: _linear(x, 1.0, value))
    before, last = ([c.contrast if c.contrast_last == last else None for c in colours] for last in (False, True))
    _each(images, before, lambda x, value, _: _linear(x, value, 0.0))
    _each(images, [c.saturation for c in colours], lambda x, value, i: _saturate(x, value, left_over[i]))
    _each(images, [c.hue for c in colours], lambda x, value, i: _turn(x, value, left_over[i]))
    _each(images, last, lambda x, value, _: _linear(x, value, 0.0))
    return images


def _left_over(images: Tensor, widths: NDArray[np.int64]) -> Tensor:
    """Mark (n, 1, W) True the columns that OpenCV's blocks of 32 leave over in rows of these widths."""
    first = torch.from_numpy(widths // OPENCV_BLOCK * OPENCV_BLOCK).to(images.device)
    return torch.arange(images.shape[2], device=images.device) >= first[:, None, None]


def _each(images: Tensor, values: Sequence[float | None], change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Apply a change to the images that have a value for it; it is given them, the values and their positions."""
    positions = [i for i, value in enumerate(values) if value is not None]
    if positions:
        index = torch.tensor(positions, device=images.device)
        value = torch.tensor([values[i] for i in positions], dtype=torch.float32, device=images.device)
        images[index] = change(images[index], value[:, None, None, None], index)


def _linear(images: Tensor, factor: Tensor | float, offset: Tensor | float) -> Tensor:
    """Compute factor * x + offset, cut to 0..255 and truncated (mmseg `convert`)."""
    return (images.float() * factor + offset).clamp(0, 255).to(torch.uint8)


def _saturate(images: Tensor, factor: Tensor, left_over: Tensor) -> Tensor:
    hue, saturation, value = rgb_to_hsv(images)
    return hsv_to_rgb(hue, _linear(saturation, factor.squeeze(-1), 0.0), value, left_over)


def _turn(images: Tensor, offset: Tensor, left_over: Tensor) -> Tensor:
    hue, saturation, value = rgb_to_hsv(images)
    turned = torch.remainder(hue.float() + offset.squeeze(-1), 180).to(torch.uint8)
    return hsv_to_rgb(turned, saturation, value, left_over)


def rgb_to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue 0..179, saturation and value 0..255 of (..., 3) uint8, bit for bit as OpenCV has them for 8 bits."""
    red, green, blue = images.int().unbind(-1)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    saturation = (spread * _reciprocals(255, images.device)[value] + 2048) >> 12
    hue = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = (hue * _reciprocals(30, images.device)[spread] + 2048) >> 12
    hue += 180 * (hue < 0)
    return hue.to(torch.uint8), saturation.to(torch.uint8), value.to(torch.uint8)


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor, left_over: Tensor) -> Tensor:
    """Convert back, as OpenCV does for 8 bits on a processor with AVX2 and FMA, bit for bit.

    Args:
        hue: (...) uint8, 0..179.
        saturation: (...) uint8.
        value: (...) uint8.
        left_over: (...) True where a pixel is among the last, width modulo 32, of its row: OpenCV's code for blocks
            truncates, its code for single pixels rounds. Without AVX2 it has blocks of 16.

    Returns:
        (..., 3) uint8, RGB.

    Source: OpenCV, imgproc/src/color_hsv.simd.hpp, `HSV2RGB_b`.
    """
    h = hue.float() * (6 / 180)
    s, v = saturation.float() * (1 / 255), value.float() * (1 / 255)
    sector = h.floor()
    share = h - sector
    shades = torch.stack([v, v * (1 - s), v * _complement(s, share), v * _complement(s, 1 - share)], dim=-1)
    channels = torch.tensor(_SECTORS, device=hue.device)[sector.long()]
    levels = shades.gather(-1, channels) * 255
    return torch.where(left_over[..., None], levels.round(), levels).clamp(0, 255).to(torch.uint8)


def _complement(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - a * b of float32, rounded once, as the processor's fused instruction does it."""
    return (1 - a.double() * b.double()).float()


_SECTORS = ((0, 3, 1), (2, 0, 1), (1, 0, 3), (1, 2, 0), (3, 1, 0), (0, 1, 2))
"""Shades, of four, that red, green and blue have in each sixth of the circle of hues."""


def _reciprocals(numerator: int, device: torch.device) -> Tensor:
    """Return (256,) numerator / i in 1/4096; 0 for i = 0."""
    table = np.rint((numerator << 12) / np.maximum(np.arange(256), 1)).astype(np.int32)
    table[0] = 0
    return torch.from_numpy(table).to(device)
