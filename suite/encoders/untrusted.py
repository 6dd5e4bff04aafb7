"""Pickles, which can hold code: read by a short list of names, in memory that the file can account for."""

from __future__ import annotations

import argparse
import mmap
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

_ZIP_START = b"PK\x03\x04"


class _SuspiciousError(Exception):
    """A file that could do harm by being read."""


def unpickle(path: Path) -> object:
    """Read what `torch.save` put into a file.

    Raises:
        Exception: of many kinds, whatever a damaged or hostile file makes of the reader: see `reason`.
    """
    # training dumps keep their arguments, and NumPy scalars of a schedule under the name NumPy 1 gave them
    scalar: Any = np.float64(0).__reduce__()[0]
    numpy_1 = (scalar, "numpy.core.multiarray.scalar")
    classes = [argparse.Namespace, np.dtype, np.dtypes.Float64DType, scalar, numpy_1]
    zipped = is_zip(path)
    _refuse_at_a_glance(path, zipped)
    with torch.serialization.safe_globals(classes):
        # mapped, an optimizer beside the weights is never read, and no tensor can claim more bytes than there are
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def is_zip(path: Path) -> bool:
    """Return whether a file has the format since PyTorch 1.6, told by the first bytes, as torch does."""
    with path.open("rb") as file:
        return file.read(4) == _ZIP_START


def _refuse_at_a_glance(path: Path, zipped: bool) -> None:
    """Refuse what is no checkpoint at a glance, or takes memory out of proportion to the file's size.

    Of the names that `weights_only` allows, `bytearray` alone fills as much memory as a number in the file says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(64).lstrip().startswith((b"<!", b"<html", b"<HTML")):
            raise _SuspiciousError("it is a web page; fetch the file itself")
    if zipped:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise _SuspiciousError("it is compressed, as weights never are; it may be a decompression bomb")
            declared_size = sum(entry.file_size for entry in entries)
            if declared_size > size:
                raise _SuspiciousError(
                    f"it declares {declared_size} bytes and has {size}; it may be a decompression bomb"
                )
            pickles = [archive.read(entry) for entry in entries if entry.filename.endswith(".pkl")]
        requests_bytearray = any(b"bytearray\n" in pickle for pickle in pickles)
    elif size == 0:
        raise EOFError
    else:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            requests_bytearray = (
                mapped.find(b"builtin__\nbytearray\n") >= 0 or mapped.find(b"builtins\nbytearray\n") >= 0
            )
    if requests_bytearray:
        raise _SuspiciousError("it asks for bytearray, which weights have no need of; it may be malicious")


def reason(error: Exception) -> str:
    """Return one line for a person: torch's own messages run to a page."""
    if isinstance(error, _SuspiciousError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, SafetensorError):
        return " ".join(str(error).split())[:200]
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if refused:
        return f"it asks for {refused[1]}, which weights have no need of; it may be malicious"
    return f"it is damaged or no checkpoint ({type(error).__name__})"
