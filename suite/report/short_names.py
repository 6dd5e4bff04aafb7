"""Names of a sweep's checkpoints by what differs in them, for where a whole name has no room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return name -> its words without those that all begin or end with; the whole where that would leave nothing.

    Example:
        >>> short_names(["dino-run-epoch100-checkpoint.pth", "dino-run-epoch200-checkpoint.pth"])
        {'dino-run-epoch100-checkpoint.pth': 'epoch100', 'dino-run-epoch200-checkpoint.pth': 'epoch200'}
        >>> short_names(["my-build-seed-1", "my-build-seed-2"])
        {'my-build-seed-1': 'seed-1', 'my-build-seed-2': 'seed-2'}
    """
    if len(names) < 2:
        return {name: name for name in names}
    words = [re.findall(r"[-_.]*[^-_.]+", name) for name in names]
    first, last = _alike(words), _alike([row[::-1] for row in words])
    if any(re.match(r"[-_.]*\d", row[first]) for row in words if first < len(row)):
        first = max(0, first - 1)  # a bare number says nothing
    kept = [row[first : len(row) - last] for row in words]
    short = [re.sub(r"^[-_.]+", "", "".join(row)) for row in kept]
    return dict(zip(names, short if all(short) and len({*short}) == len(names) else names, strict=True))


def _alike(rows: Sequence[Sequence[str]]) -> int:
    """Count the words with which all rows begin."""
    return sum(1 for _ in takewhile(lambda column: len({*column}) == 1, zip(*rows, strict=False)))
