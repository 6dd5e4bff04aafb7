"""Unpickling that cannot run code: NumPy arrays and plain containers only."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from suite.core.text import one_line
from suite.datasets.files import RESTORE, damaged, open_file
from suite.errors import DatasetError

_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
"""Names of all that a pickled array refers to, in NumPy 1 (and Python 2) and in NumPy 2."""


def read_pickled_dict(path: Path) -> dict[str, Any]:
    """Read the dict in a pickle, also one that Python 2 wrote.

    Raises:
        DatasetError: the file is missing or truncated, refers to anything but arrays, or is not a dict.
    """
    try:
        with open_file(path) as file:
            content = _ArrayUnpickler(io.BytesIO(file.read()), path).load()
    except DatasetError:
        raise
    except EOFError as error:
        raise damaged(path, "it is truncated") from error
    except Exception as error:  # damaged bytes can fail in any way at all
        raise damaged(path, error) from error
    if not isinstance(content, dict):
        raise damaged(path, f"expected a pickled dict, got {type(content).__name__}")
    return content


class _ArrayUnpickler(pickle._Unpickler):
    """Python's own unpickler: that in C makes room for as many objects as a damaged number says, gigabytes of it."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, encoding="latin1")  # Python 2 strings, and arrays' bytes within them
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes into an old protocol
            return _latin1
        if (module, name) not in _ARRAYS:
            raise DatasetError(
                f"{self._path}: refers to {one_line(f'{module}.{name}')}, expected only arrays, lists and strings: "
                f"the file may be malicious, so do not use it; {RESTORE}"
            )
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _latin1(text: str, _encoding: str) -> bytes:
    return text.encode("latin1")
