"""Resizing of only the part of an image that is wanted, many images at once, bit for bit as OpenCV resizes.

The official code resizes 8-bit images with OpenCV (mmcv `imrescale`): bilinear in fixed point for images, without
smoothing when it shrinks, and nearest for masks. Both are integer arithmetic here too, so that a crop is the same on
every device and equals the crop of the whole resized image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from suite.datasets.pixels import Resize
from suite.datasets.segmentation import IGNORE
from suite.segmentation.store import Ragged

_ONE = np.float32(2048)  # OpenCV's weights have 11 bits


def keep_ratio_size(height: int, width: int, scale: tuple[int, int], ratio: float = 1.0) -> tuple[int, int]:
    """Return (height, width) of an image that is enlarged until it touches a scale.

    Args:
        height: of the image.
        width: of the image.
        scale: the longest and the shortest side allowed, pixels.
        ratio: the scale is multiplied by it, and truncated to integers.

    Source: mmseg 0.11 `Resize`, mmcv `imrescale`.
    """
    long, short = max(scale), min(scale)
    factor = min(int(long * ratio) / max(height, width), int(short * ratio) / min(height, width))
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


@dataclass(frozen=True)
class Windows:
    """Parts of n images as they would be after resizing, mirrored on request.

    Attributes:
        image: (n,) positions in a `Ragged`.
        size: (n, 2) height and width of the whole image after resizing.
        corner: (n, 2) top and left of the window in it.
        flip: (n,) True where the window is mirrored left to right.
    """

    image: NDArray[np.int64]
    size: NDArray[np.int64]
    corner: NDArray[np.int64]
    flip: NDArray[np.bool_]

    def extent(self, height: int, width: int) -> NDArray[np.int64]:
        """Return (n, 2) rows and columns that the resized image has for windows of `height` x `width`."""
        return np.minimum(self.size - self.corner, [height, width])


def sample_pixels(images: Ragged, windows: Windows, height: int, width: int) -> Tensor:
    """Sample windows of the resized images, bilinear but where the images say otherwise.

    Returns:
        (n, height, width, 3) uint8 on the images' device; beyond an image its last row or column is repeated.
    """
    if images.resize is not None:
        return _sampled_by(images.resize, images, windows, height, width)
    tops, bottoms, weights_y = _bilinear(images, windows, 0, height)
    lefts, rights, weights_x = _bilinear(images, windows, 1, width)
    stride = images.sizes[windows.image, 1][:, None]
    start = images.starts[windows.image][:, None]
    device = images.pixels.device
    above, below = (_on(device, start + rows * stride)[:, :, None] for rows in (tops, bottoms))
    left, right = (_on(device, columns)[:, None] for columns in (lefts, rights))
    x0, x1 = (_on(device, weight)[:, None, :, None] for weight in weights_x)
    y0, y1 = (_on(device, weight)[:, :, None, None] for weight in weights_y)

    def row(first: Tensor, weight: Tensor) -> Tensor:
        mixed = _take(images.pixels, first + left) * x0 + _take(images.pixels, first + right) * x1
        return ((mixed >> 4) * weight) >> 16  # OpenCV drops these bits, in this order

    return ((row(above, y0) + row(below, y1) + 2) >> 2).to(torch.uint8)


def _sampled_by(resize: Resize, images: Ragged, windows: Windows, height: int, width: int) -> Tensor:
    """Cut windows out of images that are resized whole."""
    rows, columns = _places(windows, 0, height), _places(windows, 1, width)
    samples = []
    for number, image in enumerate(windows.image):
        whole = Image.fromarray(images.image(int(image)).cpu().numpy())
        resized = np.asarray(resize(whole, (int(windows.size[number, 1]), int(windows.size[number, 0]))))
        samples.append(resized[rows[number][:, None], columns[number]])
    return torch.from_numpy(np.stack(samples)).to(images.pixels.device)


def sample_labels(images: Ragged, label_set: str, windows: Windows, height: int, width: int) -> Tensor:
    """Sample windows of the resized masks of a label set, nearest.

    Returns:
        (n, height, width) uint8 on the masks' device; 255 beyond an image.
    """
    rows, columns = _nearest(images, windows, 0, height), _nearest(images, windows, 1, width)
    start, stride = images.starts[windows.image][:, None], images.sizes[windows.image, 1][:, None]
    mask = images.masks[label_set]
    labels = mask[_on(mask.device, start + rows * stride)[:, :, None] + _on(mask.device, columns)[:, None]]
    return blank_beyond(labels, windows.extent(height, width), IGNORE)


def blank_beyond(batch: Tensor, extent: NDArray[np.int64], value: int) -> Tensor:
    """Fill what lies right of and below each item's extent, in place.

    Args:
        batch: (n, ..., H, W).
        extent: (n, 2) rows and columns to keep.
        value: to fill in.
    """
    height, width = batch.shape[-2:]
    if (extent < [height, width]).any():
        rows, columns = _on(batch.device, extent).T[:, :, None]
        beyond = (torch.arange(height, device=batch.device) >= rows)[:, :, None]
        beyond = beyond | (torch.arange(width, device=batch.device) >= columns)[:, None]
        batch.masked_fill_(beyond.view(len(batch), *[1] * (batch.ndim - 3), height, width), value)
    return batch


def _take(pixels: Tensor, index: Tensor) -> Tensor:
    """Take pixels (P, 3) at positions of any shape: int32 (..., 3)."""
    return pixels.index_select(0, index.flatten()).view(*index.shape, 3).int()


def _places(windows: Windows, axis: int, length: int) -> NDArray[np.int64]:
    """Return (n, length) rows or columns of the resized image that windows show; beyond it the last one again."""
    extent = np.minimum(windows.size[:, axis] - windows.corner[:, axis], length)[:, None]
    along = np.minimum(np.arange(length), extent - 1)
    if axis == 1:
        along = np.where(windows.flip[:, None], extent - 1 - along, along)
    return windows.corner[:, axis, None] + along


def _scale(images: Ragged, windows: Windows, axis: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each source axis's length, and source pixels per resized pixel as OpenCV computes them: (n, 1) each."""
    source = images.sizes[windows.image, axis][:, None]
    return source, 1.0 / (windows.size[:, axis, None] / source)


def _nearest(images: Ragged, windows: Windows, axis: int, length: int) -> NDArray[np.int64]:
    source, scale = _scale(images, windows, axis)
    nearest: NDArray[np.int64] = np.floor(_places(windows, axis, length) * scale).astype(np.int64)
    return np.minimum(nearest, source - 1)


def _bilinear(
    images: Ragged, windows: Windows, axis: int, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Return both neighbours of each place and their weights in 1/2048; centres of pixels lie at halves."""
    source, scale = _scale(images, windows, axis)
    at = ((_places(windows, axis, length) + 0.5) * scale - 0.5).astype(np.float32)
    low = np.floor(at)
    share = at - low
    first = low.astype(np.int64)
    if axis == 1:  # OpenCV takes the border's column alone, but mixes the border's row with itself
        share[(first < 0) | (first >= source - 1)] = 0
    weights = tuple(np.rint(weight * _ONE).astype(np.int32) for weight in (np.float32(1) - share, share))
    return np.clip(first, 0, source - 1), np.clip(first + 1, 0, source - 1), (weights[0], weights[1])


def _on(device: torch.device, array: NDArray[np.int64] | NDArray[np.int32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
