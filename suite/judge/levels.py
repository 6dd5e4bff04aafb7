"""Object level against part level: how a candidate ranks among the seven at each, and whether that tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.cells import BASELINES, METHODS

LEVELS = ("object", "part")
EQUAL_RANKS = 0.75
"""Difference of mean ranks below which they are called alike."""
Draws = Mapping[str, NDArray[np.float64]]
"""Encoders that were measured on the same items of a column -> their values, drawn again."""


def mean_ranks(method: str, columns: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return method -> level -> mean rank, over the columns in which all seven stand, so that ranks are of eight."""
    full_columns = {
        level: [c for c in columns if c["level"] == level and c["of"] == 1 + len(METHODS)] for level in LEVELS
    }
    return {
        name: {level: fmean(c["ranks"][name] for c in full_columns[level]) for level in LEVELS if full_columns[level]}
        for name in (method, *METHODS)
        if any(full_columns.values())
    }


def gap_of_levels(method: str, columns: Iterable[tuple[str, Draws]]) -> dict[str, Any] | None:
    """Draw again how much better it ranks at part level than at object level; None without items at both levels.

    A paired bootstrap over images, as in `suite.judge.paired`: in each draw all eight are ranked in every column, and
    the mean rank at part level is taken from that at object level.

    Args:
        method: the candidate.
        columns: level, and the values drawn again of those measured on the same items as the candidate.
    """
    ranks: dict[str, list[NDArray[np.float64]]] = {level: [] for level in LEVELS}
    for level, draws in columns:
        if all(rival in draws for rival in METHODS):
            own, rivals = draws[method], np.stack([draws[rival] for rival in METHODS])
            ranks[level].append(1 + (rivals > own).sum(axis=0) + (rivals == own).sum(axis=0) / 2)
    if not all(ranks.values()):
        return None
    gap = np.mean(ranks["object"], axis=0) - np.mean(ranks["part"], axis=0)
    low, high = np.quantile(gap, [0.025, 0.975])
    return {"low": float(low), "high": float(high), "columns": {level: len(ranks[level]) for level in LEVELS}}


def verdict_of_levels(
    ranks: Mapping[str, float],
    columns: Sequence[Mapping[str, Any]],
    levels: Mapping[str, Any] | None,
    floor_pairs: Sequence[Mapping[str, Any]],
) -> tuple[str | None, str]:
    """Compare object level with part level; a difference needs an interval, and a floor below it.

    Args:
        ranks: level -> mean rank.
        columns: the candidate's, as in `suite.judge.standing`.
        levels: the answer of `gap_of_levels`.
        floor_pairs: its paired comparisons with the floors.

    Returns:
        The level that it is better at, None where that cannot be told; and all in words.
    """
    if len(ranks) < 2:
        level_text = f"only {next(iter(ranks))} level" if ranks else "no level"
        return None, f"Levels cannot be compared: {level_text} has a column with a value of all seven."
    low, high = ranks["object"], ranks["part"]
    full_levels = [c["level"] for c in columns if c["of"] == 1 + len(METHODS)]
    counts = {level: f"{(n := full_levels.count(level))} column{'s' if n > 1 else ''}" for level in LEVELS}
    ranking = (
        f"Among eight encoders it ranks {low:.1f} on average at object level ({counts['object']}) "
        f"and {high:.1f} at part level ({counts['part']})"
    )
    unknown = "whether it is better with objects or with parts cannot be told"
    if levels is None:
        return None, f"{ranking}; {unknown}: this run has no scores of single items of all seven at both levels."
    interval = f"{levels['low']:+.1f} to {levels['high']:+.1f} (95 % interval)"
    if levels["low"] <= 0 <= levels["high"] or abs(low - high) < EQUAL_RANKS:
        return None, f"{ranking}; {unknown}: the difference of {low - high:+.1f} ranks has {interval}."
    strength, weakness = ("object", "part") if low < high else ("part", "object")
    above = [pair["low"] > 0 for pair in floor_pairs if pair["level"] == strength]
    if not above:
        return None, f"{ranking}; {unknown}: no floor ({', '.join(BASELINES)}) was measured on the same items."
    if not all(above):
        count = f"{above.count(False)} of {len(above)} comparisons"
        return None, (
            f"{ranking}; {unknown}: at {strength} level it is not above the floor ({', '.join(BASELINES)}) in {count}."
        )
    return strength, (
        f"{ranking}, a difference of {low - high:+.1f} with {interval}, above the floors: "
        f"better with {strength}s than with {weakness}s, beside the seven."
    )
