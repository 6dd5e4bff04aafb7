"""Decoding, cropping and resizing, as the official evaluation code does it (PIL, bicubic, 8 bit).

Sizes follow the encoder's input size S: 224 in the paper, 48 in the mini profile.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from suite.datasets.openers import PHOTOGRAPHS, take
from suite.errors import unknown
from suite.protocol.constants import constant

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels, right and bottom exclusive; may reach over the image's border."""

RESIZED_PX: int = constant("centre_crop", "resized_px")
KEPT_PX: int = constant("centre_crop", "kept_px")

Transform = Callable[[Image.Image, int], Image.Image]


def read_rgb(path: Path) -> Image.Image:
    """Decode an image to RGB, whatever its mode (gray, CMYK, palette) and whatever its suffix claims.

    Alpha is dropped, and of 16 bits the upper 8 are kept, of gray as of colours. An EXIF orientation is not applied:
    the official code opens and converts, nothing more (moco/loader.py).

    Raises:
        DatasetError: the file is missing, truncated or none of `openers.PHOTOGRAPHS`.
    """
    return take(path, PHOTOGRAPHS, _rgb)


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cut out `box`; what lies outside the image is black (moco/loader.py)."""
    return image.crop(box)


def to_square(image: Image.Image, size: int) -> Image.Image:
    """Resize bicubically to `size` x `size` pixels, the aspect ratio not kept."""
    return image.resize((size, size), Image.Resampling.BICUBIC)


def square_train(image: Image.Image, size: int) -> Image.Image:
    """Resize to 8/7 of the input size, keep the centre: part classification, training (patch_lincls.py)."""
    return _centre(to_square(image, enlarged(size)), size)


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


def transform_named(name: str) -> Transform:
    """Return the transform called `name`.

    Raises:
        RequestError: there is none.
    """
    if name not in TRANSFORMS:
        raise unknown("transform", name, list(TRANSFORMS))
    return TRANSFORMS[name]


def _centre(image: Image.Image, size: int) -> Image.Image:
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I;16":  # Pillow makes white of all that is above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")
