"""Several candidates at once: values and ranks side by side, the family of all comparisons, and a sweep's trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suite.judge.pairings import ALPHA, WORDS, place_of
from suite.judge.standing import ranks_of
from suite.judge.trend import trend

Entries = Sequence[Mapping[str, Any]]


def together(entries: Entries, specs: Mapping[str, str]) -> dict[str, Any] | None:
    """Put the candidates of a run side by side (schema: docs/reference/report_schema.md).

    Args:
        entries: of `suite.judge.standing.standings`, in the user's order.
        specs: method -> the encoder as the user wrote it.

    Returns:
        `methods`, `columns`, `family`, `trend`; None where there is one candidate or none.
    """
    if len(entries) < 2:
        return None
    return {
        "methods": [entry["method"] for entry in entries],
        "columns": _columns(entries),
        "family": _family(entries),
        "trend": trend(entries, specs),
    }


def _columns(entries: Entries) -> list[dict[str, Any]]:
    """List every column with the values of all, and ranks among the candidates and the seven."""
    by_place: dict[tuple[str, ...], list[tuple[str, Mapping[str, Any]]]] = {}
    for entry in entries:
        for column in entry["columns"]:
            by_place.setdefault(place_of(column), []).append((entry["method"], column))
    columns = []
    for own_columns in by_place.values():
        first = own_columns[0][1]
        values = {method: column["value"] for method, column in own_columns}
        ranks = ranks_of(values | {method: reference["value"] for method, reference in first["references"].items()})
        words = {word: first[word] for word in (*WORDS, "level", "references", "floors")}
        columns.append(words | {"values": values, "ranks": ranks, "of": len(ranks)})
    return columns


def _family(entries: Entries) -> dict[str, Any]:
    with_seven = [pair for entry in entries for pair in entry["pairs"]]
    # each stands in the entries of both
    between = [
        pair
        for k, entry in enumerate(entries)
        for pair in entry["rival_pairs"]
        if pair["reference"] in {later["method"] for later in entries[k + 1 :]}
    ]
    size = len(with_seven) + len(between)
    confirmed = sum(pair["confirmed"] for pair in (*with_seven, *between))
    if size:
        sentence = (
            f"{size:,} paired comparisons of {len(entries)} candidates are one family: {len(with_seven):,} with the "
            f"seven and {len(between):,} among themselves. Holm's procedure at {100 * ALPHA:g} % over all of them "
            f"confirms a difference in {confirmed:,}; {size - confirmed:,} are open."
        )
    else:
        sentence = "No paired comparison: no two encoders of this run have scores of the same items."
    return {
        "alpha": ALPHA,
        "size": size,
        "with_seven": len(with_seven),
        "between": len(between),
        "confirmed": confirmed,
        "sentence": sentence,
    }
