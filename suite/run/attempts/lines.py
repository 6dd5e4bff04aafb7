"""The file of attempts: whole lines of JSON, appended one by one, whatever happened to the one before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from suite.errors import StorageError

FILE = "attempts.jsonl"
Json = dict[str, Any]


def append(run: Path, record: Json) -> None:
    """Append a line, on a line of its own even where an earlier one was cut.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    path = run / FILE
    try:
        run.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            line = (b"\n" if cut else b"") + json.dumps(record).encode() + b"\n"
            byte_count = os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}; free space or choose another folder"
        ) from error
    if byte_count < len(line):
        raise StorageError(f"{path}: cannot be written: only {byte_count} of {len(line)} bytes; free space")


def read(run: Path) -> tuple[list[Json], int]:
    """Read the whole lines of a run's file, and count the rest: cut by a crash or a full disk."""
    try:
        texts = (run / FILE).read_bytes().split(b"\n")
    except OSError:
        return [], 0
    records: list[Json] = []
    unreadable = 0
    for text in filter(None, texts):
        try:
            line = json.loads(text)
            records.append({**line, "attempt": str(line["attempt"]), "event": str(line["event"])})
        except (ValueError, KeyError, TypeError):
            unreadable += 1
    return records, unreadable
