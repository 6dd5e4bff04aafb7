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


def _sparse(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize bicubically by the four nearest pixels a side alone, however much smaller the result is."""
    return image.transform(size, Image.Transform.EXTENT, (0, 0, *image.size), Image.Resampling.BICUBIC)


_FACTORS = ("resize-filter", "antialias", "crop-ratio", "training-crop")
"""Diagnostic factors that act on pixels (`suite/protocol/factors.toml`)."""
_RESIZES: dict[str, Resize] = {
    "antialias=off": _sparse,
    "resize-filter=bilinear": lambda image, size: image.resize(size, Image.Resampling.BILINEAR),
    "resize-filter=lanczos": lambda image, size: image.resize(size, Image.Resampling.LANCZOS),
    "resize-filter=box": lambda image, size: image.resize(size, Image.Resampling.BOX),
    "resize-filter=nearest": lambda image, size: image.resize(size, Image.Resampling.NEAREST),
}
_OTHERS = {"crop-ratio=0.875": ("square", square_train), "training-crop=whole": ("square_train", to_square)}
"""Factor -> the transform that it concerns, and what stands in its place."""


def changed(transform: str, factors: Mapping[str, str]) -> str:
    """Return the name of a transform with diagnostic factors in it, e.g. `square, antialias=off`; else as it is."""
    return ", ".join([transform, *(f"{name}={factors[name]}" for name in _FACTORS if name in factors)])


def transform_named(name: str) -> Transform:
    """Return the transform called `name`, as in `TRANSFORMS` or as `changed` names it.

    Raises:
        RequestError: there is none.
    """
    base, *factors = name.split(", ")
    if base not in TRANSFORMS:
        raise unknown("transform", name, list(TRANSFORMS))
    transform: Callable[..., Image.Image] = TRANSFORMS[base]
    for concerned, other in (_OTHERS[factor] for factor in factors if factor in _OTHERS):
        transform = other if concerned == base else transform
    resizes = [_RESIZES[factor] for factor in factors if factor in _RESIZES]
    return partial(transform, resize=resizes[-1]) if resizes else transform


def _centre(image: Image.Image, size: int) -> Image.Image:
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))
