"""Files of a dataset: listing images, and errors that name file and remedy."""

from __future__ import annotations

import os
from pathlib import Path

from suite.errors import DatasetError

RESTORE = "restore it (`python -m suite plan` tells where from; `python -m suite render` draws the mini data)"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def damaged(path: Path, reason: object) -> DatasetError:
    """Return the error for a file that is missing, truncated or not in its format."""
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror
    return DatasetError(f"{path}: cannot be read ({reason}): {RESTORE}")


def home(root: Path, inner: str) -> Path:
    """Return `root/inner` if the archive was unpacked with its own folder, `root` otherwise."""
    return root / inner if (root / inner).is_dir() else root


def images_under(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """Return every image below a folder, hidden files left out, sorted by relative path.

    Raises:
        DatasetError: the folder is missing or holds no image.
    """
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        parent_folder = Path(parent)
        paths += [parent_folder / n for n in names if n.lower().endswith(suffixes) and not n.startswith(".")]
    if not paths:
        state = "an empty folder" if folder.is_dir() else "nothing"
        raise DatasetError(f"{folder}: expected images ({', '.join(suffixes)}), found {state}: {RESTORE}")
    return sorted(paths)
