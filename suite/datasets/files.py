"""Reading index files (JSON, text tables) and listing images, with errors that name file, row and remedy."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import stat
import warnings
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from suite.core import listing
from suite.errors import DatasetError

RESTORE = listing.RESTORE
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def damaged(path: Path, reason: object) -> DatasetError:
    """Return the error for a file that is missing, truncated or not in its format."""
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return DatasetError(f"{path}: cannot be read ({reason}): {RESTORE}")


def home(root: Path, inner: str) -> Path:
    """Return `root/inner` if the archive was unpacked with its own folder, `root` otherwise."""
    return root / inner if listing.is_folder(root / inner) else root


def open_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes; never waits, as a pipe under an image's name would make us do.

    Raises:
        OSError: it is missing, cannot be read, or is a folder, a pipe or a device.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("expected a file, got a pipe or a device")
    return file


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        DatasetError: the file is missing, is not JSON, or holds something else than an object.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error
    if not isinstance(document, dict):
        raise damaged(path, f"expected a JSON object, got {type(document).__name__}")
    return document


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Work without Python's garbage collector, which looks through millions of new lists over and over.

    Nothing that a reader builds is garbage until it returns.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def rows_of(document: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """Return the list of records under `key` of a JSON document.

    Raises:
        DatasetError: the key is missing or holds no record.
    """
    rows = document.get(key)
    if not isinstance(rows, list) or not rows:
        raise damaged(path, f"expected records under {key!r}, got {'none' if not rows else type(rows).__name__}")
    return rows


def column(rows: list[dict[str, Any]], key: str, location: str) -> list[Any]:
    """Return `row[key]` of every row; `where` says in an error which file and list the rows come from.

    Raises:
        DatasetError: a row lacks the key.
    """
    try:
        return [row[key] for row in rows]
    except KeyError:
        index = next(i for i, row in enumerate(rows) if key not in row)
        raise DatasetError(f"{location}[{index}]: missing {key!r}, got {sorted(rows[index])}: {RESTORE}") from None


def read_table(path: Path, columns: int) -> npt.NDArray[np.float64]:
    """Read the numbers of a space-separated text file without header.

    Returns:
        (rows, columns); 64-bit floats hold every id exactly.

    Raises:
        DatasetError: the file is missing or empty, or a row is not `columns` numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy only warns of an empty file
            table = np.loadtxt(path, dtype=np.float64, ndmin=2, comments=None)
    except (OSError, ValueError, UserWarning) as error:
        raise damaged(path, error) from error
    if table.shape[1] != columns:
        raise damaged(path, f"expected {columns} columns, got {table.shape[1]}")
    return table


def read_names(path: Path) -> dict[str, str]:
    """Read a text file of `key rest-of-the-line` rows, as a dict in the file's order.

    Raises:
        DatasetError: the file is missing or empty, or a row has no second word.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    names = {}
    for number, line in enumerate(lines, 1):
        key, _, name = line.partition(" ")
        if not name.strip():
            raise damaged(path, f"line {number}: expected an id and a name, got {line!r}")
        names[key] = name.strip()
    if not names:
        raise damaged(path, "it is empty")
    return names


def images_in(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """Return every image below a folder, by the rule of `suite.core.listing`, sorted; none where it is missing.

    Raises:
        DatasetError: it cannot be listed.
    """
    files = listing.files_under(folder) if listing.is_folder(folder) else []
    return sorted(path for path in files if path.name.lower().endswith(suffixes))


def images_under(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """Return `images_in` a folder that must have some.

    Raises:
        DatasetError: the folder is missing, cannot be listed or holds no image.
    """
    paths = images_in(folder, suffixes)
    if not paths:
        state = "an empty folder" if folder.is_dir() else "a file" if folder.exists() else "nothing"
        raise DatasetError(f"{folder}: expected images ({', '.join(suffixes)}), found {state}: {RESTORE}")
    return paths
