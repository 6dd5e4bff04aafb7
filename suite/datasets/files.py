"""Files of a dataset: listing images, and errors that name file and remedy."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from suite.core import listing
from suite.core.text import one_line
from suite.errors import DatasetError

RESTORE = listing.RESTORE
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def damaged(path: Path, reason: object) -> DatasetError:
    """Return the error for a file that is missing, truncated or not in its format."""
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return DatasetError(f"{path}: cannot be read ({one_line(str(reason) or type(reason).__name__)}): {RESTORE}")


def home(root: Path, inner: str) -> Path:
    """Return `root/inner` if the archive was unpacked with its own folder, `root` otherwise."""
    return root / inner if listing.is_folder(root / inner) else root


def open_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes; never waits, as a pipe under an image's name would make us do.

    Raises:
        OSError: it is missing, cannot be read, or is a folder, a pipe or a device.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    try:
        check_regular(os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def check_regular(mode: int) -> None:
    """Refuse what is no file; see `open_file`.

    Raises:
        OSError: its mode says that it is a folder, a pipe or a device.
    """
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError("expected a file, got a pipe or a device")


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
