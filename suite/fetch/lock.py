"""One process at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from suite.errors import StorageError


@contextlib.contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Be the only process that works on `name` in `folder`; wait for another to end, and say so.

    Raises:
        StorageError: the folder cannot be written.
    """
    lock = FileLock(folder / f".{name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{name}: another process is at it; waiting", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}; choose another folder") from error
    try:
        yield
    finally:
        lock.release()
