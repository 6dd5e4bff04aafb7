"""Trend of a sweep: values of checkpoints in the user's order, over the number in their names where there is one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from suite.judge.levels import LEVELS
from suite.judge.pairings import WORDS, place_of

FEWEST = 3
"""Candidates from which there is a trend to be shown."""
POSITION = "position in the list"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"([A-Za-z]+)[-_= ]*$")


def trend(entries: Sequence[Mapping[str, Any]], specs: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the values of candidates in their order.

    Args:
        entries: of `suite.judge.standing.standings`, in the user's order.
        specs: method -> the encoder as the user wrote it.

    Returns:
        `axis` (see `axis_of`), `levels` (`level`, `columns`, `points`) and `columns` (the words of a cell but `method`,
        `level`, `points`); a point has `method`, `x`, `value`, `low`, `high`, and in columns `seed_sd`. None for fewer
        than three candidates.
    """
    if len(entries) < FEWEST:
        return None
    methods = [entry["method"] for entry in entries]
    label, numbers = axis_of([specs.get(method, method) for method in methods])
    x = dict(zip(methods, numbers, strict=True))
    columns: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        for column in entry["columns"]:
            words = {word: column[word] for word in (*WORDS, "level")}
            line = columns.setdefault(place_of(column), words | {"points": []})
            line["points"].append(_point(entry["method"], x, column) | {"seed_sd": column["seed_sd"]})
    levels = []
    for level in LEVELS:
        means = {entry["method"]: entry["level_means"][level] for entry in entries if level in entry["level_means"]}
        if means:
            count = next(iter(means.values()))["columns"]
            points = [_point(method, x, mean) for method, mean in means.items()]
            levels.append({"level": level, "columns": count, "points": points})
    return {"axis": label, "levels": levels, "columns": [*columns.values()]}


def axis_of(specs: Sequence[str]) -> tuple[str, list[float]]:
    """Return what the horizontal axis is, and where each encoder stands on it.

    That is the number by which the specs differ, where they are alike but for numbers and one of these grows in their
    order: `epoch`, [100, 200, 300] of `epoch100.pth`, `epoch200.pth`, `epoch300.pth`. Else it is their position.
    """
    positions = POSITION, [float(place) for place in range(1, len(specs) + 1)]
    if len({_NUMBER.sub("#", spec) for spec in specs}) != 1:
        return positions
    rows = [[float(text) for text in _NUMBER.findall(spec)] for spec in specs]
    for k, column in enumerate(zip(*rows, strict=True)):
        if all(first < second for first, second in pairwise(column)):
            before = specs[0][: [*_NUMBER.finditer(specs[0])][k].start()]
            word = _WORD.search(before)
            return word[1].lower() if word else "number in the name", list(column)
    return positions


def _point(method: str, x: Mapping[str, float], value: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": method, "x": x[method], **{name: value[name] for name in ("value", "low", "high")}}
