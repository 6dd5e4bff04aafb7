"""Every file that Pillow can write: each of its formats in each of its modes."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

MODES = (
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "La",
    "PA",
    "RGBX",
    "RGBa",
    "I;16",
)


def picture(mode: str, width: int = 12, height: int = 9) -> Image.Image:
    """Return a small picture of a mode, of values from 0 to 12."""
    values = np.arange(width * height, dtype=np.uint8).reshape(height, width) % 13
    if mode == "I;16":
        return Image.fromarray(values.astype(np.uint16) * 257)
    if mode in {"I", "F"}:
        return Image.fromarray(values.astype(np.int32 if mode == "I" else np.float32))
    size, bands = (width, height), len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, size, np.repeat(values.ravel(), bands).tobytes()) if mode != "1" else None
    if image is None:
        return Image.fromarray(values > 6)
    if mode in {"P", "PA"}:
        image.putpalette([value for i in range(256) for value in (i, 255 - i, i // 2)])
    return image


def corpus() -> Iterator[tuple[str, str, bytes]]:
    """Yield format, mode and content of every file that can be written."""
    Image.init()
    for name in sorted(Image.SAVE):
        for mode in MODES:
            buffer = io.BytesIO()
            try:
                picture(mode).save(buffer, format=name)
            except Exception:  # a format says in its own way which modes it has
                continue
            yield name, mode, buffer.getvalue()
    for name, frames in (("PNG", "RGB"), ("GIF", "P"), ("TIFF", "L"), ("WEBP", "RGB")):
        buffer = io.BytesIO()
        picture(frames).save(buffer, format=name, save_all=True, append_images=[picture(frames, 12, 9).rotate(180)])
        yield f"{name} of two pictures", frames, buffer.getvalue()
