"""Segmentation as mmseg 0.11 does it, one image at a time, slow and obvious. Imports nothing from the suite.

Where mmcv calls OpenCV the textbook formula stands here, in float64: bilinear between pixel centres without smoothing
(OpenCV works in fixed point: at most 1 level apart), hue in half degrees (at most 1 unit apart), and back with
truncation (at most 1 level apart). What OpenCV itself gave is recorded as digests, in `OPENCV_RESIZE` and
`OPENCV_COLOURS`.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

OPENCV_RESIZE = {
    (60, 90, 41, 62): ("9615c785a9aa0a24", "729a1ea366249245"),
    (60, 90, 120, 180): ("b51186d92085d6de", "0cde8625da628da3"),
    (60, 90, 30, 45): ("046485a8feb25fea", "d1060eb49e80518b"),
    (37, 53, 111, 20): ("49f8c6bec7189667", "0b3690c5a2d8bd63"),
    (50, 50, 7, 133): ("f9dd7a9d64dab04e", "bf474bcbaa9a95e3"),
    (64, 48, 64, 48): ("ed484d91f3651c1f", "efd7721ad82de0ed"),
}
"""(height, width, new height, new width) -> first 16 digits of the SHA-256 of `cv2.resize` of
`default_rng(height * width).integers(0, 256, (height, width, 3), uint8)`, INTER_LINEAR, and of its first channel,
INTER_NEAREST. Equal for OpenCV 4.5.5, 4.10.0 and 4.13.0 (x86-64)."""

OPENCV_COLOURS = {
    1: "560b5fd48566dd49",
    31: "23374fa2f831d0c6",
    32: "bfcd5e5c40c47753",
    45: "2818becd7ebe7155",
    63: "e79b12ec138b0b09",
    64: "bf56c7bc37c889b5",
    90: "a58e470c281c29c0",
}
"""Width -> digest of `default_rng(width).integers(0, 256, (24, width, 3), uint8)` after `PhotoMetricDistortion`'s
`saturation` by 1.25 and `hue` by 9, each with `cv2.cvtColor` there and back. Equal for OpenCV 4.5.5, 4.10.0 and 5.0.0
on a processor with AVX2."""


def resized_size(height: int, width: int, scale: tuple[int, int], ratio: float) -> tuple[int, int]:
    """`Resize._random_scale`, then mmcv `rescale_size`."""
    long, short = int(scale[0] * ratio), int(scale[1] * ratio)
    factor = min(max(long, short) / max(height, width), min(long, short) / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)


def bilinear(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, 3) -> (height, width, 3), pixel by pixel along each axis."""
    out = image.astype(np.float64)
    for axis, length in ((0, height), (1, width)):
        source = out.shape[axis]
        pieces = []
        for place in range(length):
            at = min(max((place + 0.5) * source / length - 0.5, 0), source - 1)
            low = math.floor(at)
            high = min(low + 1, source - 1)
            pieces.append(out.take(low, axis) * (1 - (at - low)) + out.take(high, axis) * (at - low))
        out = np.stack(pieces, axis)
    return np.rint(out).astype(np.uint8)


def nearest(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """OpenCV's INTER_NEAREST: the pixel at floor(place * scale), no half."""
    scale_y, scale_x = 1 / (height / mask.shape[0]), 1 / (width / mask.shape[1])
    rows = [min(math.floor(y * scale_y), mask.shape[0] - 1) for y in range(height)]
    columns = [min(math.floor(x * scale_x), mask.shape[1] - 1) for x in range(width)]
    return np.array([[mask[y, x] for x in columns] for y in rows], dtype=np.uint8)


def choose(mask: NDArray[np.uint8], corners: Sequence[Sequence[int]], crop: int, cat_max_ratio: float) -> int:
    """`RandomCrop`: number of the window that is taken."""
    for number, (top, left) in enumerate(corners[:10]):
        labels, counts = np.unique(mask[top : top + crop, left : left + crop], return_counts=True)
        counts = counts[labels != 255]
        if len(counts) > 1 and np.max(counts) / np.sum(counts) < cat_max_ratio:
            return number
    return 10


def convert(image: NDArray[np.uint8], alpha: float = 1, beta: float = 0) -> NDArray[np.uint8]:
    """`PhotoMetricDistortion.convert`."""
    return np.clip(image.astype(np.float32) * alpha + beta, 0, 255).astype(np.uint8)


def to_hsv(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(P, 3) -> hue in half degrees, saturation, value."""
    hsv = [colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in rgb.astype(np.float64)]
    return (np.rint(np.array(hsv) * [180, 255, 255]) % [180, 256, 256]).astype(np.uint8)


def to_rgb(hsv: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(P, 3) and back; OpenCV truncates."""
    rgb = [colorsys.hsv_to_rgb(*pixel) for pixel in hsv.astype(np.float64) / [180, 255, 255]]
    return np.floor(np.array(rgb) * 255 + 1e-6).astype(np.uint8)


def distort(
    rgb: NDArray[np.uint8],
    *,
    brightness: float | None,
    contrast: float | None,
    contrast_last: bool,
    saturation: float | None,
    hue: int | None,
) -> NDArray[np.uint8]:
    """`PhotoMetricDistortion.__call__` of (P, 3) pixels."""
    if brightness is not None:
        rgb = convert(rgb, beta=brightness)
    if contrast is not None and not contrast_last:
        rgb = convert(rgb, alpha=contrast)
    if saturation is not None:
        hsv = to_hsv(rgb)
        hsv[:, 1] = convert(hsv[:, 1], alpha=saturation)
        rgb = to_rgb(hsv)
    if hue is not None:
        hsv = to_hsv(rgb)
        hsv[:, 0] = (hsv[:, 0].astype(int) + hue) % 180
        rgb = to_rgb(hsv)
    if contrast is not None and contrast_last:
        rgb = convert(rgb, alpha=contrast)
    return rgb


def train_crop(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    size: tuple[int, int],
    corners: Sequence[Sequence[int]],
    flip: bool,
    crop: int,
    cat_max_ratio: float,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Resize, crop, flip: what comes before colours and padding, of one label set."""
    image, mask = bilinear(image, *size), nearest(mask, *size)
    top, left = corners[choose(mask, corners, crop, cat_max_ratio)]
    image, mask = (array[top : top + crop, left : left + crop] for array in (image, mask))
    return (image[:, ::-1], mask[:, ::-1]) if flip else (image, mask)


def slide(
    image: Tensor,
    logits_of: Callable[[Tensor], Tensor],
    *,
    crop: int,
    stride: int,
    original: tuple[int, int],
) -> Tensor:
    """`slide_inference` of one normalised image (3, H, W): classes (H0, W0) at the original size.

    An image smaller than the crop is padded with zeros at the bottom and on the right, and its logits are cut again.

    Args:
        image: see above.
        logits_of: (1, 3, crop, crop) -> (1, C, crop, crop).
        crop: side of a window.
        stride: distance of windows.
        original: (H0, W0).
    """
    height, width = image.shape[1:]
    total = count = None
    for y in range(max(height - crop + stride - 1, 0) // stride + 1):
        for x in range(max(width - crop + stride - 1, 0) // stride + 1):
            bottom, right = min(y * stride + crop, height), min(x * stride + crop, width)
            top, left = max(bottom - crop, 0), max(right - crop, 0)
            window = torch.zeros(1, 3, crop, crop)
            window[0, :, : bottom - top, : right - left] = image[:, top:bottom, left:right]
            logits = logits_of(window)[..., : bottom - top, : right - left]
            if total is None:
                total, count = torch.zeros(1, logits.shape[1], height, width), torch.zeros(height, width)
            total[..., top:bottom, left:right] += logits
            count[top:bottom, left:right] += 1
    return F.interpolate(total / count, size=original, mode="bilinear", align_corners=False).softmax(1).argmax(1)[0]
