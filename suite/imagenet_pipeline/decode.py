"""Way from a file's bytes to the square an encoder sees, on the CPU: exactly as PIL does it, or faster and nearly so.

Both ways agree on what is decoded (one libjpeg, a whole JPEG, no scaled decoding: that would change pixels by more
than `parity` admits) and differ in the resize: PIL's bicubic filter, or PyTorch's vectorised copy of it on bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.io import ImageReadMode

from suite.datasets.files import check_regular, damaged
from suite.datasets.pixels import Resize, bicubic, read_rgb
from suite.imagenet_pipeline.augment import Region
from suite.imagenet_pipeline.jpeg import read_frame

Pixels = NDArray[np.uint8]
RegionOf = Callable[[int, int], Region]
"""(width, height) of an image -> what to take of it."""
Decoder = Literal["exact", "fast", "device"]
"""`exact` and `fast` are functions here; `device` is `suite.imagenet_pipeline.device`, which takes batches."""


def exact(path: Path, region_of: RegionOf, *, resize: Resize = bicubic) -> Pixels:
    """Decode, crop and bicubically resize by PIL throughout.

    Args:
        path: an image that `read_rgb` takes.
        region_of: what to take of an image of a size.
        resize: another way of resizing, for a diagnostic factor.

    Returns:
        (S, S, 3).

    Raises:
        DatasetError: missing, truncated, or not an image.
    """
    image = read_rgb(path)
    region = region_of(*image.size)
    resized = resize(image.crop(region.box), region.resized)
    return _finish(np.asarray(resized), region)


def fast(path: Path, region_of: RegionOf) -> Pixels:
    """Decode plain JPEGs of three colours with torchvision's decoder and PyTorch's resize; others as `exact`.

    Everything else (PNG under a JPEG's name, grey, CMYK, damaged) is PIL's, which converts or complains.

    Raises:
        DatasetError: missing, truncated, or not an image.
    """
    planes = libjpeg(read_bytes(path))
    if planes is None:
        return exact(path, region_of)
    image = planes.permute(1, 2, 0).numpy()
    region = region_of(image.shape[1], image.shape[0])
    left, top, right, bottom = region.box
    # numpy copies: torch would start threads of its own within a worker's
    box = torch.from_numpy(np.ascontiguousarray(image[top:bottom, left:right])).permute(2, 0, 1)[None]
    if region.down_first:
        box = F.interpolate(box, (region.resized[1], box.shape[3]), mode="bicubic", antialias=True)
    resized = F.interpolate(box, region.resized[::-1], mode="bicubic", antialias=True)[0]
    return _finish(resized.permute(1, 2, 0).numpy(), region)


DECODERS: dict[str, Callable[[Path, RegionOf], Pixels]] = {"exact": exact, "fast": fast}


def read_bytes(path: Path) -> Pixels:
    """Read the (n,) bytes of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        # np.fromfile keeps Python's lock while it reads, and an object of Python's for a file costs as much as reading
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            check_regular(status.st_mode)
            data = np.empty(status.st_size, np.uint8)
            return data[: os.readv(handle, [data.data])]
        finally:
            os.close(handle)
    except OSError as error:
        raise damaged(path, error) from error


def libjpeg(data: Pixels) -> Tensor | None:
    """Decode a JPEG of three colours to (3, h, w); None for all that is to be left to PIL."""
    frame = read_frame(data)
    if frame is None or not frame.colour:
        return None
    try:
        # the operator itself: its wrapper of torchvision 0.29 warns at every image that it will move to TorchCodec
        return torch.ops.image.decode_jpeg(torch.from_numpy(data), ImageReadMode.RGB.value)
    except RuntimeError:
        return None


def _finish(resized: NDArray[Any], region: Region) -> Pixels:
    """Cut the window, mirrored if need be."""
    left, top = region.window
    window = resized[top : top + region.size, left : left + region.size]
    return window[:, ::-1] if region.mirrored else window
