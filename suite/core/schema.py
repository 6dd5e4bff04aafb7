"""Reading TOML with errors that name the key: `file: path.to.key: what is wrong`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from suite.errors import ExpectedError

_REQUIRED = object()


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_number(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_whole(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


KINDS: dict[str, Callable[[Any], bool]] = {
    "a text": lambda v: isinstance(v, str) and bool(v.strip()),
    "any text": lambda v: isinstance(v, str),
    "an integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "a number": _is_finite,
    "a number >= 0": _is_number,
    "a whole number >= 0": _is_whole,
    "true or false": lambda v: isinstance(v, bool),
    "true, false or 'unknown'": lambda v: isinstance(v, bool) or v == "unknown",
    "a date without quotes": lambda v: isinstance(v, date) and not isinstance(v, datetime),
    "a table": lambda v: isinstance(v, dict),
    "a list of tables": lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v),
    "a list of numbers >= 0": lambda v: isinstance(v, list) and all(map(_is_number, v)),
    "a list of whole numbers >= 0": lambda v: isinstance(v, list) and all(map(_is_whole, v)),
    "a number >= 0, 'not transcribed' or a recorded table": (
        lambda v: _is_number(v) or isinstance(v, dict) or v == "not transcribed"
    ),
    "a list of integers": lambda v: (
        isinstance(v, list) and all(isinstance(item, int) and not isinstance(item, bool) for item in v)
    ),
    "a list of numbers": lambda v: isinstance(v, list) and all(map(_is_finite, v)),
    "a list of texts": lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
}
"""Kinds of value, by the words in which a message asks for them."""


class Node:
    """A table that knows where it stands and hands out each key once."""

    def __init__(self, location: str, table: dict[str, Any]) -> None:
        self.location = location
        self._table = dict(table)
        self._keys: list[str] = []

    def error(self, key: str, problem: str) -> ExpectedError:
        """Return the error `file: path.to.key: problem`."""
        return ExpectedError(f"{self._join(key)}: {problem}")

    def take(self, key: str, kind: str, default: Any = _REQUIRED) -> Any:
        """Remove and return a value; `kind` is one of `KINDS`, a missing key is an error without default.

        Raises:
            ExpectedError: the key is missing, or its value is of another kind.
        """
        self._keys.append(key)
        if key not in self._table:
            if default is _REQUIRED:
                raise self.error(key, f"missing: expected {kind}")
            return default
        value = self._table.pop(key)
        if not KINDS[kind](value):
            raise self.error(key, f"expected {kind}, got {value!r}")
        return value

    def child(self, key: str) -> Node:
        """Return the table under `key`; an empty one where there is none."""
        return Node(self._join(key), self.take(key, "a table", {}))

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield every key not yet taken, each of which must hold a table."""
        for key in tuple(self._table):
            yield key, self.child(key)

    def leaves(self, depth: int, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Yield every key below `depth` levels of tables, as (all words of its path, the table that holds it)."""
        if depth == 0:
            yield from (((*path, key), self) for key in tuple(self._table))
            return
        for key, child in self.children():
            yield from child.leaves(depth - 1, (*path, key))

    def end(self) -> None:
        """Refuse keys that nobody took.

        Raises:
            ExpectedError: there is one; the message lists the known keys.
        """
        for key in self._table:
            raise self.error(key, f"unknown key: expected one of {', '.join(self._keys)}")

    def _join(self, key: str) -> str:
        return f"{self.location}{' ' if self.location.endswith(':') else '.'}{key}"


def read_toml(path: Path) -> Node:
    """Read the top table of a TOML file.

    Raises:
        ExpectedError: the file cannot be read, or is not TOML.
    """
    try:
        return Node(f"{path}:", tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ExpectedError(f"{path}: expected a TOML file: {error}") from error
