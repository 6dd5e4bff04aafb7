"""Known deviations, `expected/known.toml`: explained, and neither green nor failing while they stay what they are.

One entry per cell, or per pattern of cells:

    [[known]]
    profile = "paper"
    cells = "image_classification/imagenet1k/deit/*/top1"   # the five words of a cell; * and ? stand for letters
    observed = 79.9                     # per cent, as it was seen
    lower = 79.5                        # the bounds that it is expected in; one of them is enough
    upper = 80.3
    reason = "..."                      # why it differs
    link = "https://..."                # where that was found out
    date = 2026-11-27                   # entered on
    expires = 2027-05-31                # looked at again by then

Such a cell reads `known deviation`. If it comes to lie inside the reference's tolerance again, or if the run finished
after the expiry, it reads `unexpected` and fails: an entry nobody needs any more hides the next change. Outside its
bounds it is judged as if there were no entry. Only the date of the run counts, so that judging it again next year says
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from suite.cells import CellId
from suite.core.schema import Node, read_toml
from suite.protocol.tables import PROFILES
from suite.reference.expected import Expected
from suite.results.noise import NOISE

FILE = "known.toml"


@dataclass(frozen=True)
class KnownDeviation:
    """A known deviation.

    Attributes:
        profile: whose references it speaks of.
        cells: pattern of five words.
        observed: per cent, when it was entered.
        lower: the least that it is expected to be; None for no bound.
        upper: the most.
        entry_date: the day on which it was entered.
        expires: last day on which a run is excused.
    """

    profile: str
    cells: str
    observed: float
    lower: float | None
    upper: float | None
    reason: str
    link: str
    entry_date: date
    expires: date

    def fits(self, cell: CellId) -> bool:
        """Tell whether the pattern names a cell, word by word."""
        return all(map(fnmatchcase, str(cell).split("/"), self.cells.split("/")))

    def holds(self, value: float) -> bool:
        """Tell whether a value lies within the bounds."""
        low = -NOISE if self.lower is None else self.lower - NOISE
        return low <= value and (self.upper is None or value <= self.upper + NOISE)

    @property
    def bounds(self) -> str:
        """Bounds as text: `79.5 to 80.3`, `79.5 or more`, `80.3 or less`."""
        if self.lower is None:
            return f"{self.upper:g} or less"
        return f"{self.lower:g} or more" if self.upper is None else f"{self.lower:g} to {self.upper:g}"


def load_known(profile: str, expected: Mapping[CellId, Expected], root: Path) -> dict[CellId, KnownDeviation]:
    """Load the known deviations of a profile, by cell; none where there is no file.

    Args:
        profile: `mini` or `paper`.
        expected: its references.
        root: the folder of expected values.

    Raises:
        ExpectedError: an entry breaks the schema, contradicts itself or its reference, fits no cell that has a
            reference, or speaks of a cell that another speaks of; the message names the key.
    """
    path = root / FILE
    if not path.exists():
        return {}
    top = read_toml(path)
    tables = top.take("known", "a list of tables", [])
    top.end()
    entries: dict[CellId, KnownDeviation] = {}
    for index, table in enumerate(tables):
        node = Node(f"{path}: known[{index}]", table)
        entry = _entry(node)
        if entry.profile != profile:
            continue
        cells = [cell for cell, reference in expected.items() if reference.value is not None and entry.fits(cell)]
        if not cells:
            raise node.error("cells", f"{entry.cells!r} fits no cell of the {profile} profile that has a reference")
        for cell in cells:
            value = expected[cell].value
            if cell in entries:
                raise node.error(
                    "cells", f"{cell} is named by an earlier entry, {entries[cell].cells!r}: keep one of them"
                )
            if value is not None and entry.holds(value):
                raise node.error(
                    "lower" if entry.upper is None else "upper",
                    f"the bounds, {entry.bounds}, hold the reference of {cell}, {value:g}: that is no deviation",
                )
            entries[cell] = entry
    return entries


def _entry(node: Node) -> KnownDeviation:
    profile = node.take("profile", "a text")
    if profile not in PROFILES:
        raise node.error("profile", f"expected one of {', '.join(PROFILES)}, got {profile!r}")
    cells = node.take("cells", "a text")
    words = cells.split("/")
    if len(words) != 5 or not all(words):
        raise node.error("cells", f"expected experiment/dataset/method/setting/metric, got {cells!r}")
    observed = node.take("observed", "a number >= 0")
    lower, upper = (node.take(side, "a number >= 0", None) for side in ("lower", "upper"))
    reason, link = node.take("reason", "a text"), node.take("link", "a text")
    entry_date, expires = (node.take(key, "a date without quotes") for key in ("date", "expires"))
    node.end()
    entry = KnownDeviation(profile, cells, observed, lower, upper, reason, link, entry_date, expires)
    if lower is None and upper is None:
        raise node.error("lower", "missing: expected lower, upper, or both")
    if lower is not None and upper is not None and lower > upper:
        raise node.error("lower", f"contradicts upper: {lower:g} is more than {upper:g}")
    if not entry.holds(observed):
        raise node.error("observed", f"{observed:g} is outside its own bounds, {entry.bounds}")
    if expires < entry_date:
        raise node.error("expires", f"{expires} is before the date of the entry, {entry_date}")
    return entry
