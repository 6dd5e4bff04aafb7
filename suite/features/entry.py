"""A file of the cache of features: rows of numbers, each under the key of its view, with a digest of it all.

The format is that of safetensors, with two tensors: `views`, (N, 32) bytes, the key of each row's view, and `values`,
(N, ...) float32. Its metadata say which group the rows are of, and the SHA-256 of all else that the file says.

Rows are read, never mapped: what was checked is what is used, whatever happens to the file afterwards, on any disk.
The digest is taken of each piece while that lies in the processor's cache, so checking costs no second reading.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.bytes_]
"""(N,) 32 ASCII characters each: what decides the numbers of a row within its group."""
Values = NDArray[np.float32]

KEY_BYTES = 32
PARTIAL = ".partial"
"""Suffix of a file that is being written."""
_PIECE_BYTES = 4 << 20
_HEADER_BYTES = 1 << 16
"""Bytes that no header reaches."""


class DamagedError(Exception):
    """An entry that is not what was written."""


def write_entry(path: Path, group: str, keys: Keys, values: Values) -> None:
    """Write an entry whole or not at all; the mode follows the umask.

    It is not flushed to the disk: what a power cut leaves of it is seen by its digest.

    Args:
        path: in a folder that exists.
        group: what the rows have in common.
        keys: (N,) of the rows.
        values: (N, ...), contiguous.

    Raises:
        OSError: the folder cannot be written or the disk is full; nothing half-written stays.
    """
    header = _header(group, values.shape)
    digest = sha256(_json(header))
    for piece in _pieces(keys, values):
        digest.update(piece)
    header["__metadata__"]["sha256"] = digest.hexdigest()
    text = _json(header)
    # not by process id: containers that share a folder have the same ones
    temporary = path.with_name(f"{uuid.uuid4().hex}{PARTIAL}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for piece in _pieces(keys, values):
                file.write(piece)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def entry_bytes(group: str, values: Values) -> int:
    """Count the bytes of an entry's file."""
    header = _header(group, values.shape)
    header["__metadata__"]["sha256"] = "0" * 64
    return 8 + len(_json(header)) + header["values"]["data_offsets"][1]


class Reader:
    """An open entry, its header and keys read; its digest is checked by `copy`."""

    def __init__(self, file: FileIO, group: str) -> None:
        """Read what rows there are.

        Args:
            file: unbuffered, at its beginning.
            group: that the rows are to be of.

        Raises:
            DamagedError: it is no entry of this group.
            OSError: it cannot be read.
        """
        self._file = file
        length = int.from_bytes(self._read(8), "little")
        if not 0 < length < _HEADER_BYTES:
            raise DamagedError(f"expected a header of less than {_HEADER_BYTES:,} bytes, got {length:,}")
        header = _parsed(self._read(length))
        self.shape = tuple(header["values"]["shape"])
        self._noted = header["__metadata__"].pop("sha256", None)
        if header != _header(group, self.shape):
            raise DamagedError(
                f"expected rows of group {group[:12]}, got {str(header['__metadata__'].get('group'))[:12]}"
            )
        # before anything is read: a header that lies about its size must not take memory
        size, expected = os.fstat(file.fileno()).st_size, 8 + length + header["values"]["data_offsets"][1]
        if size != expected:
            raise DamagedError(f"expected {expected:,} bytes, got {size:,}")
        keys = self._read(self.shape[0] * KEY_BYTES)
        self.keys: Keys = np.frombuffer(keys, dtype=f"S{KEY_BYTES}")
        self._digest = sha256(_json(header))
        self._digest.update(keys)

    def copy(self, rows: NDArray[np.int64], into: Values, at: NDArray[np.int64]) -> None:
        """Read the values, and copy some rows.

        Args:
            rows: (M,) indices of rows here, ascending.
            into: (V, ...) numbers; what stands in its rows `at` is lost, also where an error is raised.
            at: (M,) indices of rows there.

        Raises:
            DamagedError: the bytes are not those that were written, or rows there have another shape.
            OSError: they cannot be read.
        """
        if into.shape[1:] != self.shape[1:]:
            raise DamagedError(f"expected rows of shape {into.shape[1:]}, got {self.shape[1:]}")
        step = max(1, _PIECE_BYTES // (4 * math.prod(self.shape[1:])))
        count = self.shape[0]
        # most entries are wanted as they are, and need no room of their own
        straight = len(rows) == count and bool((np.diff(at) == 1).all())
        room = into[at[0] : at[0] + count] if straight else np.empty((min(step, count), *self.shape[1:]), np.float32)
        for start in range(0, count, step):
            piece = room[start : start + step] if straight else room[: count - start]
            self._fill(piece.reshape(-1).view(np.uint8))
            self._digest.update(piece.data)
            if not straight:
                first, end = np.searchsorted(rows, (start, start + len(piece)))
                into[at[first:end]] = piece[rows[first:end] - start]
        if self._digest.hexdigest() != self._noted:
            raise DamagedError(f"expected SHA-256 {str(self._noted)[:12]}, as it says itself, got another")

    def _read(self, size: int) -> bytes:
        content = bytearray(size)
        self._fill(np.frombuffer(content, np.uint8))
        return bytes(content)

    def _fill(self, buffer: NDArray[np.uint8]) -> None:
        view = buffer.data
        while len(view):
            count = self._file.readinto(view)
            if not count:
                raise DamagedError(f"expected {len(view):,} more bytes, got the end of the file")
            view = view[count:]


def _header(group: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return a header without its digest; `shape` is that of the values."""
    views, values = shape[0] * KEY_BYTES, 4 * math.prod(shape)
    return {
        "__metadata__": {"group": group},
        "views": {"dtype": "U8", "shape": [shape[0], KEY_BYTES], "data_offsets": [0, views]},
        "values": {"dtype": "F32", "shape": list(shape), "data_offsets": [views, views + values]},
    }


def _parsed(text: bytes) -> dict[str, Any]:
    """Parse a header, whose form is checked as far as `_header` needs it."""
    try:
        header: dict[str, Any] = json.loads(text)
        shape, metadata = header["values"]["shape"], header["__metadata__"]
        sizes = len(shape) > 0 and all(type(size) is int and 0 < size < 1 << 48 for size in shape)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedError("expected a header of safetensors, got none") from error
    if not sizes or not isinstance(metadata, dict):
        raise DamagedError("expected a header of safetensors, got none")
    return header


def _json(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, separators=(",", ":"))
    return (text + " " * (-len(text) % 8)).encode()


def _pieces(keys: Keys, values: Values) -> Iterator[bytes | memoryview]:
    """Yield what follows the header."""
    yield keys.tobytes()
    content = values.reshape(-1).view(np.uint8).data
    yield from (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
