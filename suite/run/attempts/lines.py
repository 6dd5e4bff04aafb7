"""The file of attempts: whole lines of JSON, appended one by one, whatever happened to the one before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from suite.core.forms import Form, FormError, Tell, parse_form, warn
from suite.errors import StorageError

FILE = "attempts.jsonl"
Json = dict[str, Any]
_TALLY: Form = {"count": "a whole number >= 0", "names": "a list of texts"}
FORM: Form = {
    "attempt": "a text",
    "event": "a text",
    "time?": "a text or null",
    "verb?": "a text or null",
    "command?": "a text or null",
    "reason?": "any text or null",
    "code?": {"suite?": "a text or null", "commit?": "a text or null", "dirty?": "true or false or null"},
    "environment?": "a text or null",
    "outcome?": "a text or null",
    "exit_code?": "an integer or null",
    "verdict?": "a text or null",
    "measured?": _TALLY,
    "reused?": _TALLY,
    "lost?": _TALLY,
}
"""Form of a line, be it a beginning or an end."""


def append(run: Path, record: Json) -> None:
    """Append a line, on a line of its own even where an earlier one was cut.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    path = run / FILE
    try:
        run.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
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


def read(run: Path, tell: Tell = warn) -> tuple[list[Json], int]:
    """Read the whole lines of a run's file, and count the rest: cut by a crash or a full disk, or altered.

    Args:
        run: its folder.
        tell: receives what is wrong where nothing at all can be read.
    """
    path = run / FILE
    try:
        texts = path.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            tell(f"{FILE}: expected a line for each attempt, got a link to nothing")
        return [], 0
    except OSError as error:
        tell(f"{FILE}: expected a line for each attempt, got none: {error.strerror or error}")
        return [], 0
    records: list[Json] = []
    unreadable = 0
    for text in filter(None, texts):
        try:
            records.append(parse_form(text, FORM, "an attempt", FILE))
        except FormError:
            unreadable += 1
    return records, unreadable
