"""Outcome of a cell: which tries close its gap, and whether that is more than noise. No verdict changes by it.

A try *closes* a gap where the value that it gives is within what the cell is allowed: its tolerance, at most the cap. A
mean may come out right by chance, so a try is named with confidence only by more than that:

- a repeated measurement (`AGAIN`) that closes a gap says that chance or the machine made it: it alone is named;
- where the reference is a run of which the items are known, it *meets* them: the paired interval of trial and reference
  leaves at most a fourth of the gap, and no cell of the trial that agreed before is put out. What is right makes the
  items the same, which a coincidence of means does not;
- else it *moves* the cell, the paired interval of trial and run keeping off 0 for all that were tried (Holm), by more
  than seeds do, and closes every other gap of the trial, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from suite.cells import CellId
from suite.judge.intervals import holm
from suite.judge.paired import Difference
from suite.report.triaged import AGAIN

ALPHA = 0.05
PARTLY = 0.25
"""Share of a gap that must be closed for a try to explain it partly; the share that may be left where it meets it."""
OUTCOMES = ("explained", "perhaps explained", "partly explained", "unexplained", "no gap")


@dataclass(frozen=True)
class Gap:
    """A cell of the run and what it is held against, per cent.

    Attributes:
        verdict: of the run's report, or `beside RUN` where it is held against another run.
        expected: the reference.
        allowed: points of difference that are no gap.
        seed_noise: points that other seeds may move a difference of two runs, 95 %; 0 where nothing is trained, None
            where it is unknown, so that nothing can be told from it.
    """

    cell: CellId
    verdict: str
    measured: float
    expected: float
    allowed: float
    seed_noise: float | None = 0.0

    @property
    def before(self) -> float:
        """Measured less expected."""
        return self.measured - self.expected

    @property
    def is_open(self) -> bool:
        """Whether there is something to explain."""
        return abs(self.before) > self.allowed


@dataclass(frozen=True)
class Answer:
    """What one try gave for a cell.

    Attributes:
        label: of the try.
        value: per cent.
        moved: by the try, with the interval over images; None where no items tell.
        broken: cells of the same trial that agreed before and do not any more.
        open: cells of the same trial whose gap it does not close.
        left: of the gap: trial less reference, with the interval; None where the reference's items are not known.
    """

    label: str
    value: float
    moved: Difference | None
    broken: int = 0
    open: int = 0
    left: Difference | None = None


def outcome(gap: Gap, answers: Sequence[Answer]) -> dict[str, Any]:
    """Tell what closes the gap of a cell.

    Returns:
        `outcome`, one of `OUTCOMES`; `by`, the labels that explain it, the nearest first; the gap and every try.
    """
    moving = moves(gap, answers)
    rows = [_row(gap, answer, moves=answer.label in moving) for answer in answers]
    rows.sort(key=lambda row: abs(row["after"]))
    words, by = _named(gap, rows)
    return {
        "cell": str(gap.cell),
        "verdict": gap.verdict,
        **{name: getattr(gap, name) for name in ("measured", "expected", "before", "allowed", "seed_noise")},
        "outcome": words,
        "by": [row["factor"] for row in by],
        "tried": rows,
    }


def moves(gap: Gap, answers: Sequence[Answer]) -> set[str]:
    """Return the tries that move the cell by more than images and seeds do, Holm over all that were tried on it."""
    told = {answer.label: answer.moved for answer in answers if answer.moved is not None}
    rejected = holm({label: difference.p_value for label, difference in told.items()}, ALPHA)
    noise = math.inf if gap.seed_noise is None else gap.seed_noise
    return {label for label in rejected if abs(told[label].value) > noise}


def _row(gap: Gap, answer: Answer, *, moves: bool) -> dict[str, Any]:
    after = answer.value - gap.expected
    closes = gap.is_open and abs(after) <= gap.allowed
    moved, left = (asdict(d) if d is not None else {} for d in (answer.moved, answer.left))
    most_left = max(gap.allowed, PARTLY * abs(gap.before))
    meets = bool(left) and max(abs(left["low"]), abs(left["high"])) <= most_left
    return {
        "factor": answer.label,
        "value": answer.value,
        "after": after,
        "closed": 1 - abs(after) / abs(gap.before) if gap.before else 0.0,
        "moved": moved.get("value"),
        "low": moved.get("low"),
        "high": moved.get("high"),
        "p_value": moved.get("p_value"),
        "left_low": left.get("low"),
        "left_high": left.get("high"),
        "moves": moves,
        "meets": meets,
        "closes": closes,
        "broken": answer.broken,
        "open": answer.open,
        "confident": closes
        and (answer.label == AGAIN or (not answer.broken and (meets if left else moves and not answer.open))),
    }


def _named(gap: Gap, rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[Mapping[str, Any]]]:
    if not gap.is_open:
        return "no gap", []
    confident = [row for row in rows if row["confident"]]
    if confident:
        return "explained", [row for row in confident if row["factor"] == AGAIN] or confident
    closing = [row for row in rows if row["closes"]]
    if closing:
        return "perhaps explained", closing
    nearer = [row for row in rows if row["moves"] and row["closed"] >= PARTLY]
    return ("partly explained", nearer[:1]) if nearer else ("unexplained", [])


def best_pair(cells: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Name the two tries that, each by itself, close most of the gaps of a trial; None where no two do.

    Args:
        cells: outcomes of a trial's cells that nothing explains with confidence.
    """
    shares: dict[str, float] = {}
    rows = (row for cell in cells for row in cell["tried"] if row["factor"] != AGAIN)
    for row in (row for row in rows if row["moves"] and row["closed"] > 0):
        shares[row["factor"]] = shares.get(row["factor"], 0.0) + row["closed"]
    ranked = sorted(shares, key=lambda label: -shares[label])
    second = next((label for label in ranked[1:] if _name(label) != _name(ranked[0])), None)
    return None if second is None else (ranked[0], second)


def _name(label: str) -> str:
    return label.partition("=")[0]
