"""SHA-256 digests by which results and cached features know their inputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from suite.core.listing import walk
from suite.datasets.files import damaged, open_file
from suite.datasets.taken_once import taken_once

CONTENT_LIMIT = 2 * 10**9
"""Bytes up to which content is read; above, names and sizes stand for images (ImageNet: 154 GB)."""

MANY_FILES = 100_000
"""Files from which on a set's digest is worth being shared: ImageNet has 1.33 million, COCO 123,000."""

FILES_AT_ONCE = 32
"""Files that a thread reads before it is handed others."""

INDEX_SUFFIXES = (".json", ".txt", ".mat", ".csv", ".meta")


def combine(lines: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of lines of text, in order."""
    total = hashlib.sha256()
    for line in lines:
        total.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return total.hexdigest()


def array_key(array: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 (hex) of an array's shape and bytes."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()


def file_keys(paths: Sequence[Path]) -> list[str]:
    """Return one key per file: its content's SHA-256, or folder, name and size if all are above `CONTENT_LIMIT`.

    Keys do not depend on where the data folder lies.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    stats = [_stat(path) for path in paths]
    if sum(stat.st_size for stat in stats) > CONTENT_LIMIT:
        return [_name_key(path, stat) for path, stat in zip(paths, stats, strict=True)]
    return _in_threads(_content_key, paths, stats)


def is_content_key(key: str) -> bool:
    """Tell whether a key stands for content, and not for a folder, a name and a size."""
    return "/" not in key


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest (hex) of a file's content.

    Raises:
        DatasetError: the file is missing or cannot be read.
    """
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise damaged(path, error) from error


def digest(root: Path) -> str:
    """Return the SHA-256 (hex) of a dataset folder: relative paths and content, in the order of the paths.

    Above `CONTENT_LIMIT` images count by name and size, index files still by content. Files count by the rule of
    `suite.core.listing`, so that caches and stamps do not change it. Of a set of `MANY_FILES` one process of the
    machine takes it, and the others read it: see `suite.datasets.taken_once`.

    Raises:
        DatasetError: a folder cannot be listed or a file cannot be read.
    """
    files = _files(root)
    if len(files) < MANY_FILES:
        return _digest(files)
    return taken_once(_state(root, files), lambda: _digest(files))


def _state(root: Path, files: Mapping[str, Path]) -> str:
    """Return a digest of all that can be seen of a set without a look at each image: names, folders, index files."""
    looked_at = {root, *(path.parent for path in files.values())}
    looked_at |= {path for path in files.values() if path.suffix.lower() in INDEX_SUFFIXES}
    stats = ((path, _stat(path)) for path in sorted(looked_at))
    seen = (f"{path} {stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)
    return combine((str(root.resolve()), *seen, *files))


def _digest(files: Mapping[str, Path]) -> str:
    """Return the digest of files by their names."""
    stats = [_stat(path) for path in files.values()]
    small = sum(stat.st_size for stat in stats) <= CONTENT_LIMIT

    def key(path: Path, stat: os.stat_result) -> str:
        by_content = small or path.suffix.lower() in INDEX_SUFFIXES
        return _content_key(path, stat) if by_content else _name_key(path, stat)

    keys = _in_threads(key, list(files.values()), stats)
    return combine(f"{name} {key}" for name, key in zip(files, keys, strict=True))


def _files(root: Path) -> dict[str, Path]:
    """Return the files below a folder by their paths relative to it, in the order of these."""
    paths: dict[str, Path] = {}
    for parent, _, names in walk(root):
        prefix = "" if parent == root else f"{parent.relative_to(root).as_posix()}/"
        paths |= {prefix + name: parent / name for name in names}
    return dict(sorted(paths.items()))


def _in_threads(
    key: Callable[[Path, os.stat_result], str], paths: Sequence[Path], stats: Sequence[os.stat_result]
) -> list[str]:
    """Return a key of each file, some files at a time: a thread's turn takes longer than to look up a known hash."""

    def keys(part: slice) -> list[str]:
        return [key(path, stat) for path, stat in zip(paths[part], stats[part], strict=True)]

    parts = [slice(first, first + FILES_AT_ONCE) for first in range(0, len(paths), FILES_AT_ONCE)]
    with ThreadPoolExecutor() as pool:
        return [*chain.from_iterable(pool.map(keys, parts))]


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise damaged(path, error) from error


def _name_key(path: Path, stat: os.stat_result) -> str:
    return f"{path.parent.name}/{path.name}:{stat.st_size}"


def _content_key(path: Path, stat: os.stat_result) -> str:
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2**16)  # many view sets share their images; a rewritten file has another time or size
def _hash(path: Path, _size: int, _mtime_ns: int) -> str:
    return file_digest(path)
