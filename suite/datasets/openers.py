"""The one way to Pillow: photographs as pixels, PNGs as the numbers that are stored in them.

Pillow takes a file for whatever its content claims, under any suffix. Of some forty formats most are not whole
decoders (EPS starts Ghostscript) and none is in the datasets, so only those below are tried.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from suite.datasets.files import damaged, open_file
from suite.errors import DatasetError

T = TypeVar("T")
Fault = Callable[[Path, object], DatasetError]
"""(file, reason) -> the error that names both."""

PHOTOGRAPHS = ("JPEG", "PNG")
"""JPEG: what every dataset consists of. A camera's MPO is a JPEG with further pictures behind it, which nobody sees.
PNG: ImageNet has one under a JPEG's name (n02105855_2933)."""
LABELS = ("PNG",)
MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""Pixels above which Pillow refuses an image by its header."""

_STORED_AS = {"L": {"L"}, "RGB": {"RGB"}, "P": {"P", "P;1", "P;2", "P;4"}}
"""Mode -> layouts in a PNG from which Pillow takes the numbers as they are. It spreads gray of 2 and 4 bits over 0 to
255 and halves 16; indices into a palette are the same with any number of bits."""
_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def take(path: Path, formats: tuple[str, ...], what: Callable[[Image.Image], T], fault: Fault = damaged) -> T:
    """Return `what` of an opened image.

    Args:
        path: its file.
        formats: Pillow's readers that may try it.
        what: takes from the image what is wanted; it is closed afterwards.
        fault: makes the error.

    Raises:
        DatasetError: the one error, whatever is wrong with the file.
        MemoryError: memory is short, for which an image of at most `MAX_PIXELS` is not to blame.
    """
    # Pillow warns of damaged EXIF and the like, which changes no pixel; `catch_warnings` is not for threads
    if warnings.filters[:1] != [_SILENT]:
        warnings.filterwarnings("ignore", module=_SILENT[3].pattern)
    try:
        with open_file(path) as file:
            start = file.read(16)
            with Image.open(file, formats=formats) as image:
                return what(image)
    except (DatasetError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        beginning = f"a file that begins with {start!r}" if start else "an empty file"
        raise fault(path, f"expected a whole {' or '.join(formats)} image, got {beginning}") from error
    except Exception as error:  # damaged bytes can fail in any way at all
        raise fault(path, error if str(error) else type(error).__name__) from error


def image_size(path: Path, *, fault: Fault = damaged) -> tuple[int, int]:
    """Read (width, height) of an image from its header, in pixels.

    Raises:
        DatasetError: the file is missing or none of `PHOTOGRAPHS`.
    """
    return take(path, PHOTOGRAPHS, lambda image: image.size, fault)


def read_png(path: Path, modes: Sequence[str] = ("L", "P"), *, fault: Fault = damaged) -> npt.NDArray[np.uint8]:
    """Read the numbers that a PNG stores, for a file in which they are labels.

    Args:
        path: a PNG of one picture.
        modes: those allowed of "L" (8-bit gray), "P" (palette) and "RGB" (8 bits a channel).
        fault: makes the error.

    Returns:
        (H, W), indices where there is a palette; (H, W, 3) of mode RGB.

    Raises:
        DatasetError: the file is missing, truncated or no PNG, of another mode or depth, or holds several pictures.
    """

    def numbers(image: Image.Image) -> npt.NDArray[np.uint8]:
        if image.mode not in modes:
            channels = "8-bit channels" if "RGB" in modes else "one 8-bit channel"
            raise fault(path, f"expected a mask of {channels} ({' or '.join(modes)}), got mode {image.mode}")
        layouts = {str(tile.args) for tile in image.tile}  # type: ignore[attr-defined]
        if not layouts <= _STORED_AS[image.mode]:
            raise fault(path, f"expected a mask of 8 bits a channel, got the layout {', '.join(sorted(layouts))}")
        if image.n_frames > 1:  # type: ignore[attr-defined]
            raise fault(path, f"expected a mask of one picture, got {image.n_frames}")  # type: ignore[attr-defined]
        return np.array(image)

    return take(path, LABELS, numbers, fault)
