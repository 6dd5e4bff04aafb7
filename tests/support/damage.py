"""What a disk, an editor or a careless script makes of a file of a run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from suite.results.records import digest_of_record

Damage = Callable[[Path], object]


def _replace(content: bytes) -> Damage:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("x")


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


WHOLE: dict[str, Damage] = {
    "empty": _replace(b""),
    "an empty table": _replace(b"{}"),
    "a list": _replace(b"[1]"),
    "null": _replace(b"null"),
    "text": _replace(b"it was here a minute ago\n"),
    "quoted text": _replace(b'"a text"'),
    "binary": _replace(bytes(range(256))),
    "deep": _replace(b"[" * 100_000),
    "deep tables": _replace(b'{"a":' * 500 + b"1" + b"}" * 500),
    "many digits": _replace(b'{"schema": ' + b"9" * 5_000 + b"}"),
    "not UTF-8": _replace(b'{"asked": "caf\xe9"}'),
    "cut": _cut,
    "gone": Path.unlink,
    "a folder": _folder,
    "a link to nothing": _link,
}
"""A whole file, replaced."""
VALUES: tuple[Any, ...] = (None, [1], {"a": 1}, "a text", 3, -1, 1.5, True, 10**400, math.nan, math.inf, "\ud800", [[]])
"""What may stand in the place of a value."""


def changed(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with one key changed or gone, for each key of its upper two levels, and what was done.

    Of lists the first entry stands for all.
    """
    for path in _paths(content, 3):
        for value in VALUES:
            yield f"{'.'.join(map(str, path))} = {value!r}", _with(content, path, value)
        if isinstance(path[-1], str):
            yield f"{'.'.join(map(str, path))} gone", _with(content, path, _GONE)


_GONE = object()


def _paths(content: Any, depth: int) -> Iterator[tuple[str | int, ...]]:
    if depth == 0 or not content:
        return
    entries = content.items() if isinstance(content, dict) else [(0, content[0])] if isinstance(content, list) else []
    for key, value in [*entries][:12]:
        yield (key,)
        yield from ((key, *rest) for rest in _paths(value, depth - 1))


def _with(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    copy = content.copy()
    if len(path) > 1:
        copy[path[0]] = _with(content[path[0]], path[1:], value)
    elif value is _GONE:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def put(path: Path, content: Any) -> None:
    """Write JSON, a cell file with the digest that it holds of itself."""
    if isinstance(content, dict) and "digest" in content and "cells" in path.parts:
        content = content | {"digest": digest_of_record(content)}
    path.write_text(json.dumps(content))
