"""Crop, bicubic resize, window and mirror image of many pictures at once, on any device, bit for bit as PIL does it.

PIL resizes 8-bit images in integers: along one axis, then along the other, with weights of 22 bits, rounding to 8 bits
after each. Here each of the two is a product with one matrix of weights per image. The weights are cut into two parts
of 12 bits or less, so that every sum which float32 meets is an integer below 2^24: neither the order of summation, nor
TF32, nor the device rounds anything. (With more than 32 source pixels behind a value, where an image shrinks to less
than a seventh, sums of the low parts may be larger, and round by some 2^-22 of a level.)

Source: Pillow 13, src/libImaging/Resample.c (`bicubic_filter`, `precompute_coeffs`, `normalize_coeffs_8bpc`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.imagenet_pipeline.augment import Region

_BITS = 22
_LOW_BITS = 12
_AT_ONCE = 1 << 25
"""Values of the largest image times images resized together: 128 MiB in float32."""


_LENGTH, _RESIZED, _START, _MIRRORED, _VERTICAL = range(5)
"""Facts of the resizing of one axis of an image: pixels of the box, the same after resizing, where the window starts in
that, whether it is read backwards, whether the axis runs from top to bottom."""
Axes = NDArray[np.int64]
"""(n, 2, 5) facts of both axes of n images, in the order in which they are resized."""


def resample(images: Sequence[Tensor], regions: Sequence[Region]) -> Tensor:
    """Return what an encoder sees of each image.

    Args:
        images: B of (3, h, w) uint8, all on one device.
        regions: one for each image, all of one size S.

    Returns:
        (B, 3, S, S) uint8 on that device: `image.crop(box).resize(resized, BICUBIC)`, its window, mirrored.
    """
    size, axes = regions[0].size, _axes(regions)
    result = torch.empty(len(images), 3, size, size, dtype=torch.uint8, device=images[0].device)
    for rows in _groups(axes):
        result[rows] = _resample([images[i] for i in rows], [regions[i] for i in rows], axes[rows])
    return result


def _axes(regions: Sequence[Region]) -> Axes:
    """Collect the axes of all regions: for each image across, then down, or the other way where PIL does so."""
    left, top, right, bottom, wide, high, x, y, mirrored, down_first = np.array(
        [(*region.box, *region.resized, *region.window, region.mirrored, region.down_first) for region in regions]
    ).T
    across = np.stack([right - left, wide, x, mirrored, np.zeros_like(x)], axis=1)
    down = np.stack([bottom - top, high, y, np.zeros_like(y), np.ones_like(y)], axis=1)
    order = np.stack([across, down], axis=1)
    return np.where(down_first[:, None, None] != 0, order[:, ::-1], order)


def _groups(axes: Axes) -> Iterator[list[int]]:
    """Group images of similar size, since all of a group are filled up to the largest."""
    group: list[int] = []
    first = second = 0
    lengths = axes[:, :, _LENGTH].tolist()
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        first, second = max(first, lengths[i][0]), max(second, lengths[i][1])
        if group and (len(group) + 1) * 3 * first * second > _AT_ONCE:
            yield group
            group, (first, second) = [], lengths[i]
        group.append(i)
    yield group


def _resample(images: Sequence[Tensor], regions: Sequence[Region], axes: Axes) -> Tensor:
    """Resize both axes, each by one product per image, with the weights' low and high parts side by side.

    The three planes lie between the axes, (second, plane, first), so that neither product copies what it multiplies.
    """
    size, device = regions[0].size, images[0].device
    pixels = _boxes(images, regions, axes)
    count, second, planes, first = pixels.shape
    sums = pixels.view(count, second * planes, first) @ _weights(axes[:, 0], size, device).mT
    pixels = _levels(sums[..., :size], sums[..., size:]).float()
    sums = _weights(axes[:, 1], size, device) @ pixels.view(count, second, planes * size)
    pixels = _levels(sums[:, :size], sums[:, size:]).to(torch.uint8)
    pixels = pixels.view(count, size, planes, size).transpose(1, 2)
    turned = torch.from_numpy(axes[:, 0, _VERTICAL] != 0).to(device)
    return torch.where(turned[:, None, None, None], pixels.mT, pixels)


def _boxes(images: Sequence[Tensor], regions: Sequence[Region], axes: Axes) -> Tensor:
    """Copy the boxes of images to (n, second, 3, first) float32, filled up with zeros.

    The first axis lies across, so an image is turned on its side where that is the vertical one. Slices of views by
    Python's indices would take four times as long, which for a GPU's batch is more than all the rest.
    """
    first, second = axes[:, :, _LENGTH].max(axis=0).tolist()
    boxes = torch.zeros(len(images), second, 3, first, device=images[0].device)
    lengths, vertical = axes[:, :, _LENGTH].tolist(), axes[:, 0, _VERTICAL].tolist()
    for number, (image, region) in enumerate(zip(images, regions, strict=True)):
        plane, row, column = image.stride()
        start = image.storage_offset() + region.box[1] * row + region.box[0] * column
        strides = (row, plane, column) if not vertical[number] else (column, plane, row)
        across, down = lengths[number]
        shape = (down, 3, across)
        box = boxes.as_strided(shape, (3 * first, first, 1), number * 3 * second * first)
        box.copy_(image.as_strided(shape, strides, start), non_blocking=True)
    return boxes


def _weights(axes: NDArray[np.int64], size: int, device: torch.device) -> Tensor:
    """Weigh each source pixel for each place of the window, in 2^-22.

    Args:
        axes: (n, 5) one axis of each image.
        size: S.
        device: where the weights are wanted.

    Returns:
        (n, 2 S, longest) integers in float32: S rows of low parts, S rows of high parts, w = low + high x 2^12, with
        low between -2^11 and 2^11.
    """
    facts = torch.from_numpy(axes.astype(np.float64)).to(device)
    length, resized, start, backwards, _ = facts[:, :, None, None].unbind(1)
    places = torch.arange(size, dtype=torch.float64, device=device)[:, None]
    places = torch.where(backwards != 0, places.flip(0), places)
    scale = length / resized
    stretched = scale.clamp(min=1)
    centre = (start + places + 0.5) * scale
    sources = torch.arange(int(axes[:, _LENGTH].max()), dtype=torch.float64, device=device)
    outside = sources < (centre - 2 * stretched + 0.5).trunc()
    outside |= sources >= torch.minimum((centre + 2 * stretched + 0.5).trunc(), length)
    weights = _bicubic(((sources - centre) + 0.5).mul_(1 / stretched)).masked_fill_(outside, 0)
    weights = weights.div_(weights.sum(-1, keepdim=True)).mul_(1 << _BITS)
    weights = weights.abs().add_(0.5).floor_().copysign_(weights)  # halves away from zero
    high = (weights * (1 / (1 << _LOW_BITS))).round_()
    return torch.cat([weights.add_(high, alpha=-(1 << _LOW_BITS)), high], dim=1).float()


def _bicubic(x: Tensor) -> Tensor:
    """Evaluate Keys' filter with a = -0.5."""
    x = x.abs()
    near = (1.5 * x).sub_(2.5).mul_(x).mul_(x).add_(1)
    is_near = x < 1
    x = x.clamp_(max=2)  # where the outer piece is 0
    far = (x - 5).mul_(x).add_(8).mul_(x).sub_(4).mul_(-0.5)
    return torch.where(is_near, near, far)


def _levels(low: Tensor, high: Tensor) -> Tensor:
    """Return the sums of both parts as whole levels of 0 to 255; PIL chose 22 bits so that they fit into 32."""
    total = high.int().mul_(1 << _LOW_BITS).add_(low.int()).add_(1 << (_BITS - 1))
    return total.bitwise_right_shift_(_BITS).clamp_(0, 255)
