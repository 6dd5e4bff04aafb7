"""A writer of the pickles that Python 2 wrote, as CIFAR-10 is published in.

Python 3 cannot write them: its strings are Unicode and its NumPy goes by other module names.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Value = str | bytes | int | list[int] | list[str] | NDArray[np.uint8]

_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
_UINT8 = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def dumps(content: dict[str, Value]) -> bytes:
    """Pickle a dict in protocol 2, as Python 2.7 with NumPy 1 does; arrays must have two axes."""
    items = b"".join(_string(key.encode()) + _value(value) for key, value in content.items())
    return b"\x80\x02}(" + items + b"u."


def _value(value: Value | int | str) -> bytes:
    if isinstance(value, np.ndarray):
        rows, columns = value.shape
        shape = _integer(rows) + _integer(columns) + b"\x86"
        return _RECONSTRUCT + b"(K\x01" + shape + _UINT8 + b"\x89" + _string(value.tobytes()) + b"tb"
    if isinstance(value, list):
        return b"](" + b"".join(map(_value, value)) + b"e"
    if isinstance(value, int):
        return _integer(value)
    return _string(value.encode() if isinstance(value, str) else value)


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _string(value: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(value)) + value
