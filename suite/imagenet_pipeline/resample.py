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
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.imagenet_pipeline.augment import Region

_BITS = 22
_LOW_BITS = 12
_AT_ONCE = 1 << 25
"""Values of the largest image times images resized together: 128 MiB in float32."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Resizing of one axis of an image.

    Attributes:
        length: of the box, pixels.
        resized: the same after resizing.
        start: of the window in that.
        mirrored: the window is read backwards.
        vertical: it runs from top to bottom.
    """

    length: int
    resized: int
    start: int
    mirrored: bool
    vertical: bool


def resample(images: Sequence[Tensor], regions: Sequence[Region]) -> Tensor:
    """Return what an encoder sees of each image.

    Args:
        images: B of (3, h, w) uint8, all on one device.
        regions: one for each image, all of one size S.

    Returns:
        (B, 3, S, S) uint8 on that device: `image.crop(box).resize(resized, BICUBIC)`, its window, mirrored.
    """
    size = regions[0].size
    axes = [_axes(region) for region in regions]
    result = torch.empty(len(images), 3, size, size, dtype=torch.uint8, device=images[0].device)
    for rows in _groups(axes):
        result[rows] = _resample([images[i] for i in rows], [regions[i] for i in rows], [axes[i] for i in rows])
    return result


def _axes(region: Region) -> tuple[_Axis, _Axis]:
    """Return the axes in the order in which they are resized."""
    left, top, right, bottom = region.box
    across = _Axis(right - left, region.resized[0], region.window[0], region.mirrored, vertical=False)
    down = _Axis(bottom - top, region.resized[1], region.window[1], mirrored=False, vertical=True)
    return (down, across) if region.down_first else (across, down)


def _groups(axes: Sequence[tuple[_Axis, _Axis]]) -> Iterator[list[int]]:
    """Group images of similar size, since all of a group are filled up to the largest."""
    group: list[int] = []
    first = second = 0
    for i in sorted(range(len(axes)), key=lambda i: (axes[i][0].length, axes[i][1].length)):
        lengths = [axis.length for axis in axes[i]]
        first, second = max(first, lengths[0]), max(second, lengths[1])
        if group and (len(group) + 1) * 3 * first * second > _AT_ONCE:
            yield group
            group, (first, second) = [], lengths
        group.append(i)
    yield group


def _resample(images: Sequence[Tensor], regions: Sequence[Region], axes: Sequence[tuple[_Axis, _Axis]]) -> Tensor:
    size, device = regions[0].size, images[0].device
    first, second = zip(*axes, strict=True)
    # the first axis lies across, so an image is turned on its side where that is the vertical one
    sides = (max(axis.length for axis in axis_group) for axis_group in (second, first))
    pixels = torch.zeros(len(images), 3, *sides, device=device)
    for row, image, region, (across, down) in zip(pixels, images, regions, axes, strict=True):
        left, top, right, bottom = region.box
        box = image[:, top:bottom, left:right]
        row[:, : down.length, : across.length] = box.mT if across.vertical else box
    low, high = (part.float()[:, None] for part in _weights(first, size, device))
    pixels = _levels(pixels @ low.mT, pixels @ high.mT).float()
    low, high = (part.float()[:, None] for part in _weights(second, size, device))
    pixels = _levels(low @ pixels, high @ pixels).to(torch.uint8)
    turned = torch.tensor([axis.vertical for axis in first], device=device)
    return torch.where(turned[:, None, None, None], pixels.mT, pixels)


def _weights(axes: Sequence[_Axis], size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weigh each source pixel for each place of the window, in 2^-22.

    Returns:
        (n, S, longest) integers in float64, twice: w = low + high x 2^12, with low between -2^11 and 2^11.
    """
    facts = torch.tensor([[axis.length, axis.resized, axis.start] for axis in axes], dtype=torch.float64, device=device)
    length, resized, start = facts[:, :, None, None].unbind(1)
    places = torch.arange(size, dtype=torch.float64, device=device)[:, None]
    mirrored = torch.tensor([axis.mirrored for axis in axes], device=device)[:, None, None]
    places = torch.where(mirrored, places.flip(0), places)
    scale = length / resized
    stretched = scale.clamp(min=1)
    centre = (start + places + 0.5) * scale
    sources = torch.arange(max(axis.length for axis in axes), dtype=torch.float64, device=device)
    inside = sources >= (centre - 2 * stretched + 0.5).trunc()
    inside &= sources < torch.minimum((centre + 2 * stretched + 0.5).trunc(), length)
    weights = _bicubic(((sources - centre) + 0.5).mul_(1 / stretched)).mul_(inside)
    weights = weights.div_(weights.sum(-1, keepdim=True)).mul_(1 << _BITS)
    weights = (weights + 0.5 * weights.sign()).trunc_()
    high = (weights / (1 << _LOW_BITS)).round_()
    return weights - high * (1 << _LOW_BITS), high


def _bicubic(x: Tensor) -> Tensor:
    """Evaluate Keys' filter with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _levels(low: Tensor, high: Tensor) -> Tensor:
    """Return the sums of both parts as whole levels of 0 to 255; PIL chose 22 bits so that they fit into 32."""
    total = high.int().mul_(1 << _LOW_BITS).add_(low.int()).add_(1 << (_BITS - 1))
    return total.bitwise_right_shift_(_BITS).clamp_(0, 255)
