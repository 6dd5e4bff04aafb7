"""Masks and image sizes read, masks written, and images put in place without copying them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from suite.core.files import write_atomically
from suite.datasets import openers
from suite.datasets.files import open_file
from suite.errors import DatasetError
from suite.preparation.recipe import Mask


def unusable(path: Path, reason: object) -> DatasetError:
    """Return the error for an original file that cannot be used."""
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    text = " ".join(str(reason).split())
    return DatasetError(f"{path}: {text if len(text) <= 300 else text[:300] + '...'}")


def size_of(path: Path) -> tuple[int, int]:
    """Read (H, W) of an image from its header.

    Raises:
        DatasetError: it is missing or no image.
    """
    width, height = openers.image_size(path, fault=unusable)
    return height, width


def read_png(path: Path, *, modes: tuple[str, ...] = ("L", "P")) -> npt.NDArray[np.uint8]:
    """Read pixels as they are stored; see `openers.read_png`.

    Raises:
        DatasetError: the file is missing, truncated or of another kind.
    """
    return openers.read_png(path, modes, fault=unusable)


def png(mask: Mask) -> bytes:
    """Encode an 8-bit PNG of mode L; equal masks give equal bytes under one version of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def link_or_copy(image: Path, target: Path) -> None:
    """Make `target` a hard link to the image, or a copy where the file system allows none.

    Raises:
        DatasetError: the image cannot be read.
        StorageError: the target cannot be written.
    """
    if target.exists():
        return
    try:
        os.link(image.resolve(), target)  # a link to a symbolic link would break with it
    except OSError:  # another device, a read-only mount, too many links: the copy says what is really wrong
        try:
            with open_file(image) as file:
                content = file.read()
        except OSError as error:
            raise unusable(image, error) from error
        write_atomically(target, content)
