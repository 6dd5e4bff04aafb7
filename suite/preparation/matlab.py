"""Reader of Pascal-Part's annotations: MATLAB 5 files from a stranger's archive."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from suite.preparation.images import unusable

INFLATED_LIMIT = 2**30
"""Bytes of one file's content; a real annotation, at most some hundred 8-bit masks of 500 x 500, is far below."""

_HEADER, _COMPRESSED = 128, 15


@dataclass(frozen=True, eq=False)
class Thing:
    """One object of an annotation.

    Attributes:
        name: its class, e.g. "pottedplant"; VOC's diningtable is spelled "table".
        mask: (H, W) True on its silhouette.
        parts: (name as in the file, e.g. "wheel_2"; (H, W) mask), in the file's order.
    """

    name: str
    mask: npt.NDArray[np.bool_]
    parts: tuple[tuple[str, npt.NDArray[np.bool_]], ...]


def read_annotation(path: Path) -> list[Thing]:
    """Read the objects of an annotation, in the file's order.

    Raises:
        DatasetError: the file is missing, damaged, or not an annotation of Pascal-Part.
    """
    content = read_mat(path)
    try:
        things = [_thing(record) for record in _records(content["anno"].ravel()[0]["objects"])]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise unusable(path, f"not an annotation of Pascal-Part ({type(error).__name__}: {error})") from error
    shapes = {mask.shape for thing in things for mask in (thing.mask, *(part for _, part in thing.parts))}
    if len(shapes) > 1:
        raise unusable(path, f"expected masks of one size, got {', '.join(map(str, sorted(shapes)))}")
    return things


def read_mat(path: Path, variables: list[str] | None = None) -> dict[str, Any]:
    """Read the variables of a MATLAB 5 file; what it inflates to is bounded.

    Raises:
        DatasetError: the file is missing, damaged or of another version.
    """
    try:
        return loadmat(io.BytesIO(_inflated(path.read_bytes())), variable_names=variables)
    except OSError as error:
        raise unusable(path, error) from error
    except Exception as error:  # damaged bytes can fail in any way at all
        raise unusable(path, f"not a MATLAB 5 file, or damaged ({type(error).__name__}: {error})") from error


def _inflated(content: bytes) -> bytes:
    """Unpack the file's compressed variables, so that a small file cannot fill the memory."""
    parts, remaining_bytes = [content[:_HEADER]], INFLATED_LIMIT
    order = ">" if content[126:128] == b"MI" else "<"
    offset = _HEADER
    while offset + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, offset)
        element = content[offset + 8 : offset + 8 + size]
        if kind != _COMPRESSED:
            element = content[offset : offset + 8 + size]
        elif len(element) < size:
            raise ValueError("it ends early")
        else:
            unpack = zlib.decompressobj()
            element = unpack.decompress(element, remaining_bytes)
            if not unpack.eof:
                raise ValueError(f"a variable ends early or inflates beyond {INFLATED_LIMIT:,} bytes")
        parts.append(element)
        remaining_bytes -= len(element)
        if remaining_bytes <= 0:
            raise ValueError(f"its variables inflate beyond {INFLATED_LIMIT:,} bytes")
        offset += 8 + size
    return b"".join(parts)


def _records(array: npt.NDArray[Any]) -> Iterator[Any]:
    """Yield the records of a struct array; none for MATLAB's empty 0 x 0 array, which has no fields."""
    if array.size and array.dtype.names is None:
        raise ValueError(f"expected a struct array, got {array.dtype}")
    yield from array.ravel()


def _thing(record: Any) -> Thing:
    parts = tuple((_text(part["part_name"]), _mask(part["mask"])) for part in _records(record["parts"]))
    return Thing(_text(record["class"]), _mask(record["mask"]), parts)


def _text(array: npt.NDArray[Any]) -> str:
    if array.size != 1 or array.dtype.kind != "U":
        raise ValueError(f"expected text, got {array.size} of {array.dtype}")
    return str(array.ravel()[0]).strip()


def _mask(array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if array.ndim != 2 or array.dtype.kind not in "uib":
        raise ValueError(f"expected a mask of integers, got {array.ndim} dimensions of {array.dtype}")
    return array > 0
