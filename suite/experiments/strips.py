"""Pictures of segmentation for the report: images, truth and prediction, side by side."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT_PX = 112
GAP_PX = 4


def strip(pictures: Sequence[Image.Image]) -> bytes:
    """Join pictures of one height in a row, as PNG."""
    scaled = [p.resize((max(1, round(p.width * HEIGHT_PX / p.height)), HEIGHT_PX), _filter(p)) for p in pictures]
    scaled = [p.convert("RGB") for p in scaled]
    row = Image.new("RGB", (sum(p.width + GAP_PX for p in scaled) - GAP_PX, HEIGHT_PX), "white")
    left = 0
    for picture in scaled:
        row.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    buffer = io.BytesIO()
    row.quantize(128).save(buffer, "PNG", optimize=True)  # a report carries dozens of these
    return buffer.getvalue()


def labelled(labels: NDArray[np.uint8]) -> Image.Image:
    """Colour (H, W) labels, the same for a label everywhere; 255, which is ignored, is black."""
    image = Image.fromarray(labels).convert("L")
    image.putpalette(_palette())
    return image


def _palette() -> list[int]:
    """Return colours with neighbouring labels far apart in hue: steps of the golden ratio."""
    colours = [colorsys.hsv_to_rgb(k * 0.618034 % 1, 0.85 - k % 3 * 0.2, 0.95 - k % 2 * 0.25) for k in range(255)]
    return [round(255 * channel) for colour in [*colours, (0, 0, 0)] for channel in colour]


def _filter(picture: Image.Image) -> Image.Resampling:
    """Return the filter for resizing: labels are not averaged."""
    return Image.Resampling.NEAREST if picture.mode == "P" else Image.Resampling.BILINEAR
