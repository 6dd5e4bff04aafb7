"""Files that cannot be used, reported together: whoever has to restore them wants to do it once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from suite.core.files import write_atomically
from suite.errors import DatasetError

A = TypeVar("A")
T = TypeVar("T")

SHOWN = 5
LIST = ".problems.txt"


@dataclass(frozen=True, slots=True)
class Problem:
    """Reason why one image cannot be prepared."""

    reason: str


def attempt(item: A, task: Callable[[A], T]) -> T | Problem:
    """Return the task's result, or what is wrong with the item's files."""
    try:
        return task(item)
    except DatasetError as error:
        return Problem(str(error))


def all_good(results: Iterable[T | Problem], work: Path) -> list[T]:
    """Return the results, once every item has one.

    Raises:
        DatasetError: some have none; the message shows the first, a file in `work` holds all.
    """
    values: list[T] = []
    problems: list[str] = []
    for result in results:
        if isinstance(result, Problem):
            problems.append(result.reason)
        else:
            values.append(result)
    if not problems:
        return values
    listed = work / LIST
    write_atomically(listed, "".join(f"{reason}\n" for reason in problems).encode("utf-8", "surrogateescape"))
    rest = f"; {len(problems) - SHOWN} more in {listed}" if len(problems) > SHOWN else ""
    raise DatasetError(
        f"{len(problems)} of {len(problems) + len(values)} images cannot be used: {'; '.join(problems[:SHOWN])}{rest}: "
        "restore these files from their archive and run the same command again; the other images are kept"
    )
