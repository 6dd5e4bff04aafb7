"""Arrived part of a file, kept so that the next attempt goes on from it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from suite.core.files import write_json
from suite.fetch.remote import Remote


@dataclass(frozen=True)
class Part:
    """A file on its way.

    Attributes:
        path: its bytes so far.
        note: the version they are of: the address, what the server calls the version, its size.
        remote: the file.
    """

    path: Path
    note: Path
    remote: Remote

    def size(self) -> int:
        """Return the bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def resume_point(self) -> tuple[int, str, int | None]:
        """Return the bytes that can be gone on from, the version last seen, and its size in all."""
        try:
            note = json.loads(self.note.read_bytes())
            url, validator, total = note["url"], str(note["validator"]), note["total"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0, "", None
        if url != self.remote.url:
            return 0, "", None
        resumable = validator or self.remote.recognisable
        return self.size() if resumable else 0, validator, total if isinstance(total, int) else None

    def begin(self, validator: str, total: int | None) -> None:
        """Start anew, with the version that the server now sends.

        Args:
            validator: see `http.Answer`.
            total: bytes of the whole file, if known.
        """
        self.drop()
        write_json(self.note, {"url": self.remote.url, "validator": validator, "total": total})

    def drop(self) -> None:
        """Throw away what has arrived."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def keep(self, target: Path) -> None:
        """Put what has arrived aside, since it is whole and yet not what it should be."""
        self.path.replace(target)
        self.note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Give the file its name, once it is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self.note.unlink(missing_ok=True)
