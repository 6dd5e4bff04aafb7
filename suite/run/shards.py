"""Shards: parts of a run that jobs of a cluster or of a CI matrix do, each with a folder of its own in the run folder.

Which trials are a shard's follows from the request alone: the groups of `suite.run.groups.ordered_groups`, of which the
K-th of N shards takes every N-th, from the K-th on. The folder, `shards/K-of-N`, holds all that a shard writes besides
results: attempts, environment, checks, plan, pytest.log, junit.xml. `exit_code` in it is written by what started the
shard, such as a batch script: a line with the plain number, appended when an attempt has ended in whatever way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from suite.core.values import refusal

T = TypeVar("T")
FOLDER = "shards"
EXIT_CODE = "exit_code"
LARGEST = 100_000
"""Limit on the number of shards: no request has as many groups."""
_NAME = re.compile("([1-9][0-9]{0,5})-of-([1-9][0-9]{0,5})")


@dataclass(frozen=True, order=True)
class Shard:
    """The K-th of N parts of a run.

    Attributes:
        count: N.
        number: K, from 1.
    """

    count: int
    number: int

    def __str__(self) -> str:
        """Write it as an option takes it."""
        return f"{self.number}/{self.count}"

    @property
    def title(self) -> str:
        """Title for people."""
        return f"shard {self.number} of {self.count}"

    def folder(self, run: Path) -> Path:
        """Return the folder in which it keeps what is its own."""
        return run / FOLDER / f"{self.number}-of-{self.count}"

    def part(self, groups: Sequence[T]) -> Sequence[T]:
        """Take its groups out of all, which are in order."""
        return groups[self.number - 1 :: self.count]


def shard(name: str, text: str) -> Shard:
    """Read `3/8`.

    Args:
        name: of the option.
        text: as typed.

    Raises:
        RequestError: it is no shard.
    """
    words = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    number, count = (int(word) for word in words.groups()) if words else (0, 0)
    if not 1 <= number <= count <= LARGEST:
        raise refusal(name, text, f"K/N, the K-th of N parts, K from 1 to N, N at most {LARGEST}, e.g. 3/8")
    return Shard(count, number)


def shards_of(run: Path) -> Iterator[Shard]:
    """Yield the shards that have a folder in a run folder, in order of N, then K."""
    names = (_NAME.fullmatch(path.name) for path in (run / FOLDER).glob("*-of-*") if path.is_dir())
    shards = (Shard(int(words[2]), int(words[1])) for words in names if words)
    yield from sorted(shard for shard in shards if shard.number <= shard.count)


def exit_codes(folder: Path) -> list[int]:
    """Read the exit codes of a shard's attempts, as what started them noted; lines that hold none are left out."""
    try:
        lines = (folder / EXIT_CODE).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [int(line) for line in lines if re.fullmatch(r"\s*-?[0-9]{1,4}\s*", line)]
