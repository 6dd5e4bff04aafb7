"""Index files: JSON records and text tables, each value of the type, finite, whole and in range as its column has it.

What a file lacks, doubles or spells otherwise is an error that names the file, the row and the column: no value is
guessed, and none is dropped.
"""

from __future__ import annotations

import contextlib
import gc
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from suite.core.forms import shown
from suite.datasets.files import RESTORE, damaged, open_file
from suite.errors import DatasetError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LARGEST_PX = 65_535
"""Largest side of a JPEG, pixels: no coordinate in an image is larger."""
LARGEST_WHOLE = 2**53
"""Largest whole number below which 64-bit floats hold every other; COCO's ids have twelve digits."""
LONGEST_NAME = 255
"""Bytes of a file's name, on any common file system."""


@dataclass(frozen=True)
class Records:
    """A list of records of a JSON document.

    Attributes:
        path: the file.
        name: the list's key, e.g. `annotations`.
        rows: at least one.
    """

    path: Path
    name: str
    rows: Sequence[dict[str, Any]]

    @classmethod
    def read(cls, document: dict[str, Any], name: str, path: Path) -> Records:
        """Take the list under a key of a document.

        Raises:
            DatasetError: the key is missing, or holds no record or something else.
        """
        rows = document.get(name)
        if not isinstance(rows, list) or not rows:
            raise damaged(path, f"expected records under {name!r}, got {'none' if not rows else type(rows).__name__}")
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                raise damaged(path, f"{name}[{i}]: expected a record, got {shown(row)}")
        return cls(path, name, rows)

    def __len__(self) -> int:
        return len(self.rows)

    def refusal(self, index: int, key: str, expected: str) -> DatasetError:
        """Return the error for a value of a row."""
        value = shown(self.rows[index][key])
        return damaged(self.path, f"{self.name}[{index}]: {key!r}: expected {expected}, got {value}")

    def column(self, key: str) -> list[Any]:
        """Return `row[key]` of every row, of any type.

        Raises:
            DatasetError: a row lacks the key.
        """
        try:
            return [row[key] for row in self.rows]
        except KeyError:
            i = next(i for i, row in enumerate(self.rows) if key not in row)
            keys = shown(sorted(self.rows[i]))
            raise DatasetError(f"{self.path}: {self.name}[{i}]: missing {key!r}, got {keys}: {RESTORE}") from None

    def whole(self, key: str, expected: str = "a whole number", *, largest: int = LARGEST_WHOLE) -> Ints:
        """Return (N,) whole numbers from 0 to `largest`; 7.0 is one, and true, "7" and null are none."""
        values = self.column(key)
        self._check(key, expected, values, lambda value: _is_whole(value, largest))
        return np.array(values, dtype=np.int64)

    def ids(self, key: str = "id") -> Ints:
        """Return (N,) whole numbers of which no two are equal."""
        values = self.whole(key)
        if len(np.unique(values)) < len(values):
            raise damaged(self.path, f"{self.name}: expected an {key} of its own for each of {len(self):,} {self.name}")
        return values

    def texts(self, key: str) -> list[str]:
        """Return N texts, none of them empty."""
        values = self.column(key)
        self._check(key, "a text", values, is_text)
        return values

    def pixels(self, key: str, width: int) -> Floats:
        """Return (N, width) coordinates or lengths, pixels: finite, and none beyond `LARGEST_PX`."""
        rows = self.column(key)
        # a file has millions of numbers: a row is looked at alone only where one is at fault
        if _all_of(rows, list) and _all_of(chain.from_iterable(rows), int, float):
            with contextlib.suppress(ValueError, OverflowError):
                values = np.array(rows, dtype=np.float64)
                if values.shape == (len(rows), width) and bool((np.abs(values) <= LARGEST_PX).all()):
                    return values
        expected = f"{width} numbers from -{LARGEST_PX} to {LARGEST_PX}"
        self._check(key, expected, rows, lambda row: isinstance(row, list) and _are_pixels(row, width))
        raise AssertionError(f"{self.path}: {key}: refused, and no row is at fault")

    def _check(self, key: str, expected: str, values: list[Any], is_right: Callable[[Any], bool]) -> None:
        for i, value in enumerate(values):
            if not is_right(value):
                raise self.refusal(i, key, expected)


def _all_of(values: Any, *types: type) -> bool:
    """Tell whether every value is of one of these types and no other, a bool being no int."""
    return set(map(type, values)) <= {*types}


def _is_whole(value: Any, largest: int) -> bool:
    return type(value) in {int, float} and 0 <= value <= largest and value % 1 == 0


def _are_pixels(row: list[Any], width: int) -> bool:
    return len(row) == width and _all_of(row, int, float) and all(-LARGEST_PX <= value <= LARGEST_PX for value in row)


def is_text(value: object) -> bool:
    """Tell whether a value is a text that is not empty and shows in a line."""
    return isinstance(value, str) and bool(value.strip())


def file_inside(folder: Path, name: str, index: Path) -> Path:
    """Return `folder/name`, the file that an index names.

    Raises:
        DatasetError: the name leads out of the folder, or can be no file's.
    """
    parts = name.split("/")
    if not name.isprintable() or any(part in {"", ".", ".."} or len(part.encode()) > LONGEST_NAME for part in parts):
        raise damaged(index, f"{shown(name)}: expected a file's path inside {folder.name}/")
    return folder / name


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        DatasetError: the file is missing, is not JSON, or holds something else than an object.
    """
    try:
        with open_file(path) as file:
            document = json.loads(file.read())
    except RecursionError as error:
        raise damaged(path, "nested too deep") from error
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


@dataclass(frozen=True)
class Table:
    """The numbers of a space-separated text file without header.

    Attributes:
        path: the file.
        columns: what each column holds, for messages.
        values: (rows, columns); 64-bit floats hold every id exactly.
    """

    path: Path
    columns: Sequence[str]
    values: Floats

    @classmethod
    def read(cls, path: Path, columns: Sequence[str]) -> Table:
        """Read the file.

        Raises:
            DatasetError: it is missing or empty, or a row is not a number for each column.
        """
        try:
            with open_file(path) as file, warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy only warns of an empty file
                values = np.loadtxt(file, dtype=np.float64, ndmin=2, comments=None)
        except (OSError, ValueError, UserWarning) as error:
            raise damaged(path, error) from error
        if values.shape[1] != len(columns):
            raise damaged(path, f"expected {len(columns)} columns, got {values.shape[1]}")
        return cls(path, columns, values)

    def __len__(self) -> int:
        return len(self.values)

    def refusal(self, row: int, problem: str) -> DatasetError:
        """Return the error for a row, counted from 0 here and from 1 in the message."""
        return damaged(self.path, f"row {row + 1}: {problem}")

    def whole(self, column: str, expected: str = "a whole number", *, largest: int = LARGEST_WHOLE) -> Ints:
        """Return (rows,) whole numbers from 0 to `largest`.

        Raises:
            DatasetError: a row has another number.
        """
        values = self._column(column)
        self._check(column, expected, (values >= 0) & (values <= largest) & (np.floor(values) == values))
        return values.astype(np.int64)

    def pixels(self, column: str) -> Floats:
        """Return (rows,) coordinates, pixels: finite, and none beyond `LARGEST_PX`.

        Raises:
            DatasetError: a row has another number.
        """
        values = self._column(column)
        self._check(column, f"a number from -{LARGEST_PX} to {LARGEST_PX}", np.abs(values) <= LARGEST_PX)
        return values

    def _column(self, column: str) -> Floats:
        return self.values[:, self.columns.index(column)]

    def _check(self, column: str, expected: str, is_right: npt.NDArray[np.bool_]) -> None:
        if not is_right.all():
            row = int(np.argmin(is_right))
            raise self.refusal(row, f"{column}: expected {expected}, got {self._column(column)[row]:g}")


def read_names(path: Path) -> dict[str, str]:
    """Read a text file of `key rest-of-the-line` rows, as a dict in the file's order.

    Raises:
        DatasetError: the file is missing or empty, a row has no second word, or two rows have one key; 7 and 07 are
            one.
    """
    try:
        with open_file(path) as file:
            lines = file.read().decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        word, _, name = line.partition(" ")
        if not name.strip():
            raise damaged(path, f"line {number}: expected an id and a name, got {shown(line)}")
        key = word.lstrip("0") or word
        if key in names:
            raise damaged(path, f"line {number}: {shown(word)} comes again")
        names[key] = name.strip()
    if not names:
        raise damaged(path, "it is empty")
    return names
