"""Room on disk, asked for before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

from suite.errors import StorageError
from suite.fetch.remote import human

MARGIN = 100_000_000
"""Bytes left free, so that the machine goes on working."""


def make_folder(folder: Path) -> None:
    """Create a folder and those above it.

    Raises:
        StorageError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be created: {error.strerror or error}; choose another folder") from error


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuse to start what would fill the disk.

    Args:
        folder: an existing folder on the disk.
        needed: bytes.
        purpose: what they are for.

    Raises:
        StorageError: there is less.
    """
    free = shutil.disk_usage(folder).free - MARGIN
    if free < needed:
        raise StorageError(
            f"{folder}: {purpose} needs {human(needed)}, got {human(max(free, 0))} free; "
            "free space or choose another folder"
        )


def full(path: Path, error: OSError) -> StorageError:
    """Return the error for a file that could not be written."""
    return StorageError(
        f"{path}: cannot be written: {error.strerror or error}; what is there is kept: free space and run again"
    )
