"""From a file's bytes to the square that an encoder sees: exactly as PIL does it, or faster and nearly so.

Both ways agree on what is decoded (one libjpeg, a whole JPEG, no scaled decoding: that would change pixels by more
than `parity` admits) and differ in the resize: PIL's bicubic filter, or PyTorch's vectorised copy of it on bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torchvision.io import ImageReadMode  # type: ignore[import-untyped]  # also makes the operator used below known

from suite.datasets.files import damaged
from suite.datasets.pixels import read_rgb
from suite.stream.augment import Region

Pixels = NDArray[np.uint8]
RegionOf = Callable[[int, int], Region]
"""(width, height) of an image -> what to take of it."""
Decoder = Literal["exact", "fast"]

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}


def exact(path: Path, region_of: RegionOf) -> Pixels:
    """PIL throughout: decode, crop, bicubic resize.

    Args:
        path: an image of any kind that PIL reads.
        region_of: what to take of an image of a size.

    Returns:
        (S, S, 3).

    Raises:
        DatasetError: missing, truncated, or not an image.
    """
    image = read_rgb(path)
    region = region_of(*image.size)
    resized = image.crop(region.box).resize(region.resized, Image.Resampling.BICUBIC)
    return _finish(np.asarray(resized), region)


def fast(path: Path, region_of: RegionOf) -> Pixels:
    """As `exact`, for plain JPEGs of three colours with torchvision's decoder and PyTorch's resize; else `exact`.

    Everything else (PNG under a JPEG's name, grey, CMYK, damaged) is PIL's, which converts or complains.

    Raises:
        DatasetError: missing, truncated, or not an image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise damaged(path, error) from error
    if not is_colour_jpeg(data):
        return exact(path, region_of)
    try:
        # the operator itself: its wrapper of torchvision 0.29 warns at every image that it will move to TorchCodec
        image = torch.ops.image.decode_jpeg(torch.from_numpy(data), ImageReadMode.RGB.value).permute(1, 2, 0).numpy()
    except RuntimeError:
        return exact(path, region_of)
    region = region_of(image.shape[1], image.shape[0])
    left, top, right, bottom = region.box
    # numpy copies: torch would start threads of its own within a worker's
    box = torch.from_numpy(np.ascontiguousarray(image[top:bottom, left:right])).permute(2, 0, 1)[None]
    resized = F.interpolate(box, region.resized[::-1], mode="bicubic", antialias=True)[0]
    return _finish(resized.permute(1, 2, 0).numpy(), region)


DECODERS: dict[Decoder, Callable[[Path, RegionOf], Pixels]] = {"exact": exact, "fast": fast}


def is_colour_jpeg(data: NDArray[np.uint8]) -> bool:
    """Whether bytes are a JPEG whose frame has three components; a file's name says nothing.

    Reads the segments up to the frame header (ITU T.81, B.1.1).
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] != 0xD8:
        return False
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = int(data[at + 1])
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
            return bool(data[at + 4] == 8 and data[at + 9] == 3)
        else:
            at += 2 + (int(data[at + 2]) << 8 | int(data[at + 3]))
    return False


def _finish(resized: NDArray[Any], region: Region) -> Pixels:
    """The window, mirrored if need be."""
    left, top = region.window
    window = resized[top : top + region.size, left : left + region.size]
    return window[:, ::-1] if region.mirrored else window
