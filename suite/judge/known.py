"""Known deviations, when a cell is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from suite.judge.cell_verdict import CellVerdict
from suite.reference.known import FILE, KnownDeviation


def excuse(cell: CellVerdict, entry: KnownDeviation | None, finish_date: date) -> CellVerdict:
    """Judge a judged cell again in the light of what is known of it.

    Args:
        cell: as judged by its reference alone.
        entry: None where nothing is known of it.
        finish_date: the day on which the run finished.
    """
    if entry is None or cell.measured is None or cell.verdict not in ("reproduced", "deviates", "inconclusive"):
        return cell
    explanation = f"{entry.reason} ({entry.link})"
    if cell.verdict == "reproduced":
        reason = (
            f"{cell.reason}: inside its tolerance again, although it is a known deviation: {explanation}: "
            "take the entry out"
        )
    elif not entry.holds(cell.measured):
        return replace(
            cell, reason=f"{cell.reason}; a known deviation, but beyond its bounds, {entry.bounds}: {explanation}"
        )
    elif finish_date > entry.expires:
        reason = f"{cell.reason}; as a known deviation it expired on {entry.expires}: {explanation}: look at it again"
    else:
        reason = (
            f"{cell.reason}; within {entry.bounds}, as known since {entry.entry_date}: {explanation}; "
            f"until {entry.expires}"
        )
        return _settle(cell, "known deviation", reason)
    return _settle(cell, "unexpected", f"{reason} in expected/{FILE}")


def _settle(cell: CellVerdict, verdict: str, reason: str) -> CellVerdict:
    """Settle a cell by its own bounds: it is no part of the family of tests, and waits for no seeds."""
    return replace(
        cell, verdict=verdict, reason=reason, p_value=None, by_chance=False, seeds_needed=None, to_decide=None
    )
