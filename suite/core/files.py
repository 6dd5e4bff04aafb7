"""Writing files whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from suite.cells import CellId
from suite.errors import StorageError


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, renamed over it.

    Args:
        path: its folder is made where it is missing.
        content: the bytes, or what writes them into an open file.

    Raises:
        StorageError: the folder cannot be written or the disk is full; nothing half-written stays.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unborn = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        with unborn.open("xb") as file:  # its mode is what the umask leaves, as of any file
            temporary = unborn
            file.write(content) if isinstance(content, bytes) else content(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save calls a full disk a RuntimeError
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        cause = getattr(error, "strerror", None) or error
        raise StorageError(f"{path}: cannot be written: {cause}; free space or choose another folder") from error


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StorageError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be removed: {error.strerror or error}; remove it") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON by `write_atomically`; NaN is refused, since JSON has none."""
    write_atomically(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def plain(value: Any) -> Any:
    """Reduce to JSON's types: dataclasses become objects, what is not finite null, other things their text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type | CellId):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


Json = dict[str, Any]
