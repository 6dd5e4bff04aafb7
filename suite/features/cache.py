"""The cache of features: a folder of entries that several processes, machines and users may share.

Nothing here can fail a trial: what is damaged is removed and made again, what vanishes, cannot be read or cannot be
written is passed over, and each is said once. An entry's name is that of its group (all that rows have in common:
encoder, transform, output, code, environment) and of its views; the rows of a set are taken from whatever entries of
the group have them, so that experiments on overlapping sets share what they have in common.
"""

from __future__ import annotations

import errno
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from os import scandir, utime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.features.entry import PARTIAL, DamagedError, Keys, Reader, Values, entry_bytes, write_entry

SPARE_BYTES = 10**9
"""Free bytes of a disk that features leave to results and checkpoints."""
_FOLDER = "features"
_SUFFIX = ".safetensors"
_NAME = re.compile(rf"([0-9a-f-]+){re.escape(_SUFFIX)}|[0-9a-f]+{re.escape(PARTIAL)}|[0-9a-f]{{64}}\.\d+")
"""Files that count and may go: entries, also those of older versions, which are never read; what writers left."""
_WRITING_S = 3600
"""Seconds since its last change after which nobody is writing a partial file any more."""
_GONE = {errno.ENOENT, errno.ESTALE}
"""Errors that say that another process, or machine, has removed the file."""
_DIGITS = 32
_told: set[object] = set()
"""What this process has said already, and need not say again."""


@dataclass
class Tally:
    """Views that came from the cache and views that were encoded, and what there was to say about the cache."""

    cached: int = 0
    computed: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cache:
    """Features kept for later.

    Attributes:
        folder: that the cache shares with checkpoints and rates; features lie in `features/`.
        gigabytes: 10^9 bytes that features take at most; what was used longest ago goes first. 0: none are kept.
        tally: counts of what it gave.
    """

    folder: Path
    gigabytes: float
    tally: Tally = field(default_factory=Tally)
    _stuck: set[Path] = field(default_factory=set)
    """Entries that can be neither used nor removed."""

    @property
    def place(self) -> Path:
        """The folder of the entries."""
        return self.folder / _FOLDER

    @property
    def limit(self) -> int:
        """Bytes of all entries."""
        return int(self.gigabytes * 1e9)

    def stored(self, group: str, keys: Keys) -> NDArray[np.bool_]:
        """Tell which of N rows an entry has; their numbers are neither read nor checked."""
        is_stored = np.zeros(len(keys), np.bool_)
        for path in self._entries(group):
            self._look(path, group, keys, is_stored)
        return is_stored

    def recall(self, group: str, keys: Keys) -> tuple[Values | None, NDArray[np.bool_]]:
        """Read the rows that are there.

        Args:
            group: see `write_entry`.
            keys: (N,) of the rows wanted.

        Returns:
            (N, ...) numbers, None where no row is there, and (N,) which rows are; the others' numbers mean nothing.
        """
        is_stored, values = np.zeros(len(keys), np.bool_), None
        whole = self._path(group, keys)
        for path in sorted(self._entries(group), key=lambda path: path != whole):
            values = self._look(path, group, keys, is_stored, values, copy=True)
        return values if is_stored.any() else None, is_stored

    def keep(self, group: str, keys: Keys, values: Values) -> None:
        """Store rows that are not there yet, where there is room.

        Args:
            group: see `write_entry`.
            keys: (N,) of the rows.
            values: (N, ...), contiguous.
        """
        if not len(keys):
            return
        size, path = entry_bytes(group, values), self._path(group, keys)
        if size > self.limit:
            return  # it would push out all others, and not stay itself
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            if self._evict(self.limit - size) > self.limit - size:
                return  # others' entries, which cannot be removed, take the room
            free = shutil.disk_usage(self.place).free
            if free - size < SPARE_BYTES:
                self._tell(
                    f"{self.place}: features are not kept: {free / 1e9:.1f} GB are free, and 1 GB stays for results",
                    once=("room", self.place),
                )
                return
            if path in self._stuck:
                path = path.with_stem(f"{path.stem}-{uuid.uuid4().hex[:8]}")
            if path.exists():
                return  # another process was faster
            write_entry(path, group, keys, values)
            self._evict(self.limit)
        except OSError as error:
            self._tell(
                f"{self.place}: cannot be written: {_why(error)}; the run goes on, and features are not kept",
                once=self.place,
            )

    def _path(self, group: str, keys: Keys) -> Path:
        return self.place / f"{group[:_DIGITS]}-{sha256(keys.tobytes()).hexdigest()[:_DIGITS]}{_SUFFIX}"

    def _entries(self, group: str) -> list[Path]:
        """List the entries of a group."""
        return [path for path, _, _ in self._files() if path.name.startswith(f"{group[:_DIGITS]}-")]

    def _files(self) -> Iterator[tuple[Path, float, int]]:
        """Yield path, time of last use and size of whatever counts; others may be removing some just now."""
        try:
            with scandir(self.place) as files:
                listed = list(files)
        except FileNotFoundError:
            return
        except OSError as error:
            self._tell(
                f"{self.place}: cannot be read: {_why(error)}; the run goes on, and features are computed anew",
                once=self.place,
            )
            return
        for file in listed:
            with suppress(OSError):
                if _NAME.fullmatch(file.name) and file.is_file(follow_symlinks=False):
                    status = file.stat(follow_symlinks=False)
                    yield Path(file.path), status.st_mtime, status.st_size

    def _look(
        self,
        path: Path,
        group: str,
        keys: Keys,
        is_stored: NDArray[np.bool_],
        values: Values | None = None,
        *,
        copy: bool = False,
    ) -> Values | None:
        """Mark in `is_stored` what an entry has of the rows still missing, and copy their numbers, if asked to.

        Returns:
            The numbers: those given, or new ones where none are.
        """
        if is_stored.all():
            return values
        try:
            with path.open("rb", buffering=0) as file:
                reader = Reader(file, group)
                here, there = _places(keys, reader.keys, ~is_stored)
                if copy and len(here):
                    if values is None:
                        values = np.empty((len(keys), *reader.shape[1:]), np.float32)
                    reader.copy(there, values, here)
                    with suppress(OSError):  # another user's, or gone
                        utime(path)
                is_stored[here] = True
        except DamagedError as error:
            self._remove(path, str(error))
        except OSError as error:
            if error.errno not in _GONE:
                self._stuck.add(path)
                self._tell(
                    f"{path}: cannot be read: {_why(error)}; passed over in the cache {self.folder}",
                    once=("read", path),
                )
        return values

    def _remove(self, path: Path, problem: str) -> None:
        """Remove a damaged entry, so that it is made again."""
        problem_text = f"{path}: damaged: {problem}; in the cache {self.folder}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._stuck.add(path)
            self._tell(
                f"{problem_text} it cannot be removed ({_why(error)}): passed over, its features are computed anew",
                once=("remove", path),
            )
        else:
            self._tell(f"{problem_text} it is removed, and its features are computed anew")

    def _evict(self, limit: int) -> int:
        """Remove what was used longest ago, until the rest takes at most `limit` bytes; return what it takes."""
        files = sorted(self._files(), key=lambda file: file[1])
        total = sum(size for _, _, size in files)
        for path, used, size in files:
            partial = path.name.endswith(PARTIAL)
            left_over = partial and time.time() - used > _WRITING_S
            if not left_over and (partial or total <= limit):
                continue
            try:
                path.unlink(missing_ok=True)
                total -= size
            except OSError as error:
                self._tell(
                    f"{path}: cannot be removed: {_why(error)}; passed over, the cache {self.folder} may stay larger "
                    f"than {self.gigabytes:g} GB",
                    once=("evict", self.place),
                )
        return total

    def _tell(self, problem: str, *, once: object = None) -> None:
        """Print a warning, `once` a process, and note it for the trial."""
        if once is not None and once in _told:
            return
        _told.add(once)
        self.tally.warnings.append(problem)
        print(f"warning: {problem}", file=sys.stderr)


def _places(keys: Keys, others: Keys, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return indices of wanted keys that are among the others, and their indices there, the latter ascending."""
    here = np.flatnonzero(wanted)
    order = np.argsort(others, kind="stable")
    place = np.searchsorted(others, keys[here], sorter=order)
    there = order[np.minimum(place, len(order) - 1)]
    is_there = others[there] == keys[here]
    here, there = here[is_there], there[is_there]
    ascending = np.argsort(there, kind="stable")
    return here[ascending], there[ascending]


def _why(error: OSError) -> str:
    return error.strerror or str(error)
