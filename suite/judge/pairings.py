"""Every paired comparison of a report: candidates against the seven, the floors and each other; Holm over all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from suite.cells import BASELINES, METHODS, CellId
from suite.judge.intervals import holm
from suite.judge.items import Items, SharedItems
from suite.judge.paired import Difference, differences, draws_for

ALPHA = 0.05
WORDS = ("experiment", "dataset", "setting", "metric")
Place = tuple[str, ...]
"""A column: the words of a cell but its method."""
PairKey = tuple[Place, str, str]
Column = Mapping[str, Any]


def place_of(column: Column) -> Place:
    """Return the words that name a column."""
    return tuple(column[word] for word in WORDS)


def cells_in(column: Column, methods: Iterable[str]) -> list[CellId]:
    """Return the cells of methods in a column."""
    return [CellId(method=method, **{word: column[word] for word in WORDS}) for method in methods]


def pairings(columns: Mapping[str, Sequence[Column]], items: Items) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Compare every candidate with the seven, with the floors and with the other candidates, on the same items.

    Holm's procedure is over all pairs of the report, a pair of candidates counted once; those with the floors are no
    part of its family.

    Args:
        columns: candidate -> its columns, candidates in the user's order.
        items: of the run.

    Returns:
        Candidate -> `pairs`, `rival_pairs`, `floor_pairs`, in the order of its columns.
    """
    candidates = [*columns]
    levels = {place_of(column): column for entries in columns.values() for column in entries}
    shared = {
        place: [
            (group, _named(group, candidates))
            for group in items.shared(cells_in(column, (*candidates, *METHODS, *BASELINES)))
        ]
        for place, column in levels.items()
    }
    family = sum(pair[1] not in BASELINES for groups in shared.values() for _, pairs in groups for pair in pairs)
    draws = draws_for(family, ALPHA)
    answers: dict[PairKey, Difference] = {
        (place, *pair): difference
        for place, groups in shared.items()
        for group, pairs in groups
        for pair, difference in differences(group.by_method, pairs, items=group.count, draws=draws).items()
    }
    confirmed = {*holm({key: a.p_value for key, a in answers.items() if key[2] not in BASELINES}, ALPHA)}
    rivals_of = {method: [rival for rival in candidates if rival != method] for method in candidates}
    return {
        method: {
            "pairs": _entries(method, METHODS, entries, answers, confirmed),
            "rival_pairs": _entries(method, rivals_of[method], entries, answers, confirmed),
            "floor_pairs": _entries(method, BASELINES, entries, answers, None),
        }
        for method, entries in columns.items()
    }


def _named(group: SharedItems, candidates: Sequence[str]) -> list[tuple[str, str]]:
    """Name the pairs among those that share items, a pair of candidates once, in the user's order."""
    present = [method for method in candidates if method in group.by_method]
    rivals = [method for method in (*METHODS, *BASELINES) if method in group.by_method]
    return [*((method, rival) for method in present for rival in rivals), *combinations(present, 2)]


def _entries(
    method: str,
    rivals: Sequence[str],
    columns: Sequence[Column],
    answers: Mapping[PairKey, Difference],
    confirmed: set[PairKey] | None,
) -> list[dict[str, Any]]:
    """List a candidate's comparisons with these rivals; `confirmed` is None where there is no family."""
    entries = []
    for column in columns:
        place = place_of(column)
        words = {word: column[word] for word in (*WORDS, "level")}
        for rival in rivals:
            key = (place, method, rival) if (place, method, rival) in answers else (place, rival, method)
            if key in answers:
                difference = answers[key] if key[1] == method else answers[key].reversed()
                entry = words | {"reference": rival} | asdict(difference)
                entries.append(entry if confirmed is None else entry | {"confirmed": key in confirmed})
    return entries
