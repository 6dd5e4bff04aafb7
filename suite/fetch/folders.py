"""Wholeness of a folder of a dataset, seen from outside: counts of its files, digests of its index files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite.core.listing import matching
from suite.errors import DatasetError
from suite.fetch.remote import algorithm, digests, hexadecimal


@dataclass(frozen=True)
class Folder:
    """A folder that comes whole.

    Attributes:
        places: where it may be, below the data folder; it is put at the first.
        holds: pattern of paths -> how many there are; 0 for at least one.
        sums: file -> "md5:" or "sha256:" and its digest.
    """

    places: tuple[str, ...]
    holds: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)

    def locate(self, data: Path) -> Path | None:
        """Return the place where it is and whole, or None."""
        folders = (data / place for place in self.places)
        return next((folder for folder in folders if folder.is_dir() and not self.fault(folder)), None)

    def fault(self, folder: Path) -> str:
        """Return what is wrong with this folder, or ""."""
        if folder.is_file():
            return "expected a folder, got a file"
        try:
            lack = self._lack(folder)
        except DatasetError as error:
            return str(error)
        if lack:
            return lack
        for name, expected in self.sums.items():
            path = folder / name
            if not path.is_file():
                return f"expected {name}, got none"
            actual = digests(path, {algorithm(expected)})[algorithm(expected)]
            if actual != hexadecimal(expected):
                return f"expected {name} with {expected}, got {actual}"
        return ""

    def _lack(self, folder: Path) -> str:
        """Return which files it has too few or too many of, or "".

        Raises:
            DatasetError: it cannot be listed.
        """
        for pattern, number in self.holds.items():
            matches = matching(folder, pattern)
            if number == 0 and next(matches, None) is None:
                return f"expected {pattern}, got none"
            count = sum(1 for _ in matches) if number else 0
            if count != number:
                return f"expected {number:,} of {pattern}, got {count:,}"
        return ""
