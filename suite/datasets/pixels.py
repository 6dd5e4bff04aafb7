"""Decoding, cropping and resizing, as the official evaluation code does it (PIL, bicubic, 8 bit).

Sizes follow the encoder's input size S: 224 in the paper, 48 in the mini profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from suite.datasets.files import damaged
from suite.datasets.openers import MAX_RATIO, PHOTOGRAPHS, fits, take
from suite.errors import unknown
from suite.protocol.constants import constant

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels, right and bottom exclusive; may reach over the image's border."""

RESIZED_PX: int = constant("centre_crop", "resized_px")
KEPT_PX: int = constant("centre_crop", "kept_px")

Transform = Callable[[Image.Image, int], Image.Image]
Resize = Callable[[Image.Image, tuple[int, int]], Image.Image]
"""Way to an image of (width, height)."""


def read_rgb(path: Path) -> Image.Image:
    """Decode an image to RGB, whatever its mode (gray, CMYK, palette) and whatever its suffix claims.

    Alpha is dropped, and of 16 bits the upper 8 are kept, of gray as of colours. An EXIF orientation is not applied:
    the official code opens and converts, nothing more (moco/loader.py).

    Raises:
        DatasetError: the file is missing, truncated, a line of pixels, or none of `openers.PHOTOGRAPHS`.
    """

    def rgb(image: Image.Image) -> Image.Image:
        if not fits(*image.size):
            raise damaged(
                path, f"expected sides of at most 1 to {MAX_RATIO:,}, got {image.width} x {image.height} pixels"
            )
        if image.mode == "I;16":  # Pillow makes white of all that is above 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return image.convert("RGB")

    return take(path, PHOTOGRAPHS, rgb)


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cut out `box`; what lies outside the image is black (moco/loader.py)."""
    return image.crop(box)


def bicubic(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize to (width, height) as all official evaluation code does."""
    return image.resize(size, Image.Resampling.BICUBIC)


def to_square(image: Image.Image, size: int, resize: Resize = bicubic) -> Image.Image:
    """Resize bicubically to `size` x `size` pixels, the aspect ratio not kept."""
    return resize(image, (size, size))


def square_train(image: Image.Image, size: int, resize: Resize = bicubic) -> Image.Image:
    """Resize to 8/7 of the input size, keep the centre: part classification, training (patch_lincls.py)."""
    return _centre(to_square(image, enlarged(size), resize), size)


def imagenet_eval(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to 8/7 of the input size, keep the centre: object classification.

    The longer side is truncated to an integer, as torchvision's `Resize` does.
    """
    short = min(image.size)
    width, height = (int(enlarged(size) * side / short) for side in image.size)
    return _centre(image.resize((width, height), Image.Resampling.BICUBIC), size)


def enlarged(size: int) -> int:
    """Return the side from which a centre of `size` pixels is kept: 256 for 224, in proportion for others."""
    return round(size * RESIZED_PX / KEPT_PX)


TRANSFORMS: dict[str, Transform] = {
    "square": to_square,
    "square_train": square_train,
    "imagenet_eval": imagenet_eval,
}


_SPARSE = ("nearest", "bilinear", "bicubic")
"""Filters that PIL has without antialias, too."""
_RESIZING = ("resize-filter", "antialias")
_OTHERS = {"square": ("crop-ratio", "0.875", "square_train"), "square_train": ("training-crop", "whole", "square")}
"""Transform -> the factor and choice by which another one stands in its place."""


def changed(transform: str, factors: Mapping[str, str]) -> str:
    """Return the name of a transform with diagnostic factors in it, e.g. `square, antialias=off`; else as it is.

    One that some other trial has anyway has that one's name, so that features are shared.
    """
    name, choice, other = _OTHERS.get(transform, ("", "", ""))
    base = other if name and factors.get(name) == choice else transform
    return ", ".join([base, *(f"{name}={factors[name]}" for name in _RESIZING if name in factors)])


def transform_named(name: str) -> Transform:
    """Return the transform called `name`, as in `TRANSFORMS` or as `changed` names it.

    Raises:
        RequestError: there is none.
    """
    base, *factors = name.split(", ")
    if base not in TRANSFORMS:
        raise unknown("transform", name, list(TRANSFORMS))
    transform: Callable[..., Image.Image] = TRANSFORMS[base]
    resize = resizing(dict(factor.split("=") for factor in factors), protocol="bicubic", antialias=True)
    return transform if resize is None else partial(transform, resize=resize)


def resizing(factors: Mapping[str, str], *, protocol: str, antialias: bool) -> Resize | None:
    """Return the way of resizing that diagnostic factors ask for; None where they ask for none.

    Args:
        factors: name -> choice; those of other things say nothing here.
        protocol: the filter where none is asked for.
        antialias: likewise, whether the result looks at all pixels, or at those nearest alone, however much smaller it
            is than the image. `box`, which is OpenCV's area, and `lanczos` always look at all.
    """
    if not any(name in factors for name in _RESIZING):
        return None
    name = factors.get("resize-filter", protocol)
    is_sparse = factors.get("antialias", "on" if antialias else "off") == "off" and name in _SPARSE
    return partial(_sparse if is_sparse else Image.Image.resize, resample=Image.Resampling[name.upper()])


def _sparse(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    return image.transform(size, Image.Transform.EXTENT, (0, 0, *image.size), resample)


def _centre(image: Image.Image, size: int) -> Image.Image:
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))
