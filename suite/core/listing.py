"""Listing of data folders, by one rule for readers, digests, `verify`, `prepare` and `fetch`.

Links are followed, to folders as to files. Names that begin with a dot, and those that file managers, storage systems
and Python leave in any folder, are passed over. Whatever cannot be listed is an error, never a shorter list.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from suite.errors import DatasetError

RESTORE = "restore it (`python -m suite plan` tells where from; `python -m suite render` draws the mini data)"
LEFT_BEHIND = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),  # macOS, Windows
        *("$recycle.bin", "system volume information", "lost+found"),  # file systems
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # storage of Synology and QNAP
        "__pycache__",
    }
)
"""Names, in lower case, that are no data wherever they appear."""


def entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return names of the folders and of the files in a folder, each sorted.

    Raises:
        DatasetError: it cannot be listed, or holds a link that leads nowhere, a pipe or a device.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as scanned:
            for entry in scanned:
                if is_data(entry.name):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError as error:
        raise _unlisted(folder, error) from error
    return sorted(folders), sorted(files)


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder.

    Raises:
        DatasetError: the system does not say, as of a folder in one that may not be entered.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise _unlisted(path, error) from error


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder at or below a folder with its `entries`; as of `os.walk`, names may be taken off its folders.

    Raises:
        DatasetError: see `entries`; or a link leads back to a folder that it lies in.
    """
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    while waiting:
        parent, above = waiting.pop()
        try:
            status = parent.stat()
        except OSError as error:
            raise _unlisted(parent, error) from error
        place = (status.st_dev, status.st_ino)
        if place in above:
            raise DatasetError(f"{parent}: expected a link to data, got one to a folder that it lies in: remove it")
        folders, files = entries(parent)
        yield parent, folders, files
        waiting += [(parent / name, above | {place}) for name in reversed(folders)]


def files_under(folder: Path) -> list[Path]:
    """Return all files below a folder, in no order.

    Raises:
        DatasetError: see `walk`.
    """
    return [parent / name for parent, _, names in walk(folder) for name in names]


def matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield files and folders below a folder by a pattern of `fnmatch` for each part of their path.

    Args:
        folder: where the pattern begins.
        pattern: such as "images/*/*.jpg"; `**` stands for any number of folders, none included.

    Raises:
        DatasetError: see `walk`.
    """
    first, _, rest = pattern.partition("/")
    if first == "**":
        for parent, _, _ in walk(folder):
            yield from matching(parent, rest)
        return
    folders, files = entries(folder)
    for name in (*folders, *(() if rest else files)):
        if fnmatchcase(name, first):
            yield from matching(folder / name, rest) if rest else [folder / name]


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing, or only what systems leave behind.

    Raises:
        DatasetError: it cannot be listed.
    """
    try:
        return not any(is_data(path.name) for path in folder.iterdir())
    except OSError as error:
        raise _unlisted(folder, error) from error


def take_along(folder: Path, successor: Path) -> None:
    """Move what systems have left behind in a folder into the one that is to be renamed to it.

    Args:
        folder: that is replaced; it may be missing.
        successor: another one of the same file system; what it holds itself stays.

    Raises:
        OSError: it cannot be moved.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        if not is_data(path.name) and not os.path.lexists(successor / path.name):
            path.rename(successor / path.name)


def is_data(name: str) -> bool:
    """Tell whether a file or folder of this name counts."""
    return not name.startswith(".") and name.lower() not in LEFT_BEHIND


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell a folder from a file.

    Raises:
        DatasetError: it is neither, or a link that leads nowhere.
    """
    if not entry.is_symlink() and (entry.is_dir() or entry.is_file()):  # known without a look at the file itself
        return entry.is_dir()
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        raise DatasetError(f"{entry.path}: cannot be read ({error.strerror or error}): {RESTORE}") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise DatasetError(f"{entry.path}: expected a file or a folder, got a pipe or a device: remove it")
    return stat.S_ISDIR(mode)


def _unlisted(folder: Path, error: OSError) -> DatasetError:
    remedy = "let this user read it" if isinstance(error, PermissionError) else RESTORE
    return DatasetError(f"{folder}: cannot be listed ({error.strerror or error}): {remedy}")
