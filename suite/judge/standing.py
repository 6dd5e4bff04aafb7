"""Standing of a candidate among the paper's seven: the content of the report's section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.cells import BASELINES, METHODS, CellId
from suite.judge.intervals import holm
from suite.judge.paired import differences, mean_draws
from suite.reference.expected import Expected
from suite.results.store import Key, PerItemScores, Result, Store

ALPHA = 0.05
EQUAL_RANKS = 0.75
"""Difference of mean ranks below which they are called alike."""
OBJECTS = ("object_retrieval", "image_classification", "object_segmentation")
PARTS = ("part_retrieval", "part_classification", "part_segmentation")
METRICS = ("ap", "top1", "accuracy", "miou")
SETTINGS = ("encoded", "projected", "linear", "attentive", "linear_head")
"""Settings that the paper's tables show; other readouts are left to the table of all cells."""


_LEVELS = ("object", "part")
_WORDS = ("experiment", "dataset", "setting", "metric")


def standings(
    store: Store, results: Sequence[Result], expected: Mapping[CellId, Expected], word: str
) -> list[dict[str, Any]]:
    """Return one entry per candidate in a run (schema: docs/reference/report_schema.md).

    Args:
        store: the run's, for the scores of single items.
        results: what the run measured.
        expected: reference values, which stand in for methods that were not measured.
        word: what those are: `recorded` or `published`.
    """
    values = {m.id: m.mean for r in results for m in r.measurements()}
    candidates = dict.fromkeys(r.key.method for r in results if r.key.method not in (*METHODS, *BASELINES))
    items = Items(store, results)
    entries = []
    for method in candidates:
        columns = list(_columns(method, values, expected, word))
        if columns:
            means = _mean_ranks(method, columns)
            pairs, floor_pairs = _pairs(method, columns, items)
            levels = _levels(method, columns, items)
            entries.append(
                {
                    "method": method,
                    "columns": columns,
                    "mean_ranks": means,
                    "levels": levels,
                    "sentence": _sentence(means.get(method, {}), columns, levels, floor_pairs),
                    "pairs": pairs,
                    "floor_pairs": floor_pairs,
                    "probes": probes(method, results),
                }
            )
    return entries


def _columns(
    method: str, values: Mapping[CellId, float], expected: Mapping[CellId, Expected], word: str
) -> Iterator[dict[str, Any]]:
    """Yield the candidate's cells of the paper's tables, each with the seven's values and its rank among them."""
    for cell, value in values.items():
        level = "object" if cell.experiment in OBJECTS else "part" if cell.experiment in PARTS else None
        if cell.method != method or level is None or cell.setting not in SETTINGS or cell.metric not in METRICS:
            continue
        beside: dict[str, dict[str, Any]] = {}
        for rival in (*METHODS, *BASELINES):
            place = replace(cell, method=rival)
            reference = expected.get(place)
            if place in values:
                beside[rival] = {"value": values[place], "source": "measured"}
            elif reference is not None and reference.value is not None:
                beside[rival] = {"value": reference.value, "source": word}
        references = {rival: beside[rival] for rival in METHODS if rival in beside}
        if references:
            floors = {rival: beside[rival] for rival in BASELINES if rival in beside}
            words = asdict(cell) | {"level": level, "value": value, "floors": floors}
            ranks = _ranks({method: value} | {m: r["value"] for m, r in references.items()})
            yield words | {"references": references, "ranks": ranks, "rank": ranks[method], "of": len(ranks)}


def _ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Return ranks, 1 for the highest; equal values share the mean of their ranks."""
    return {
        name: 1
        + sum(rival_value > value for rival_value in values.values())
        + (list(values.values()).count(value) - 1) / 2
        for name, value in values.items()
    }


def _mean_ranks(method: str, columns: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return method -> level -> mean rank, over the columns in which all seven stand, so that ranks are of eight."""
    full_columns = {
        level: [c for c in columns if c["level"] == level and c["of"] == 1 + len(METHODS)] for level in _LEVELS
    }
    return {
        name: {level: fmean(c["ranks"][name] for c in full_columns[level]) for level in _LEVELS if full_columns[level]}
        for name in (method, *METHODS)
        if any(full_columns.values())
    }


def _levels(method: str, columns: Sequence[Mapping[str, Any]], items: Items) -> dict[str, Any] | None:
    """Draw again how much better it ranks at part level than at object level; None without items at both levels.

    A paired bootstrap over images, as in `suite.judge.paired`: in each draw all eight are ranked in every column, and
    the mean rank at part level is taken from that at object level.
    """
    ranks: dict[str, list[NDArray[np.float64]]] = {level: [] for level in _LEVELS}
    for column in columns:
        scores = items.scores(column, (method, *METHODS))
        if len(scores) == 1 + len(METHODS):
            draws = mean_draws(scores, items.groups(column, method))
            own = draws.pop(method)
            rivals = np.stack(list(draws.values()))
            ranks[column["level"]].append(1 + (rivals > own).sum(axis=0) + (rivals == own).sum(axis=0) / 2)
    if not all(ranks.values()):
        return None
    gap = np.mean(ranks["object"], axis=0) - np.mean(ranks["part"], axis=0)
    low, high = np.quantile(gap, [0.025, 0.975])
    return {"low": float(low), "high": float(high), "columns": {level: len(ranks[level]) for level in _LEVELS}}


def _sentence(
    ranks: Mapping[str, float],
    columns: Sequence[Mapping[str, Any]],
    levels: Mapping[str, Any] | None,
    floor_pairs: Sequence[Mapping[str, Any]],
) -> str:
    """Compare object level with part level, in words; a difference needs an interval, and a floor below it."""
    if len(ranks) < 2:
        level_text = f"only {next(iter(ranks))} level" if ranks else "no level"
        return f"Levels cannot be compared: {level_text} has a column with a value of all seven."
    low, high = ranks["object"], ranks["part"]
    full_levels = [c["level"] for c in columns if c["of"] == 1 + len(METHODS)]
    counts = {level: f"{(n := full_levels.count(level))} column{'s' if n > 1 else ''}" for level in _LEVELS}
    ranking = (
        f"Among eight encoders it ranks {low:.1f} on average at object level ({counts['object']}) "
        f"and {high:.1f} at part level ({counts['part']})"
    )
    unknown = "whether it is better with objects or with parts cannot be told"
    if levels is None:
        return f"{ranking}; {unknown}: this run has no scores of single items of all seven at both levels."
    interval = f"{levels['low']:+.1f} to {levels['high']:+.1f} (95 % interval)"
    if levels["low"] <= 0 <= levels["high"] or abs(low - high) < EQUAL_RANKS:
        return f"{ranking}; {unknown}: the difference of {low - high:+.1f} ranks has {interval}."
    strength, weakness = ("object", "part") if low < high else ("part", "object")
    above = [pair["low"] > 0 for pair in floor_pairs if pair["level"] == strength]
    if not above:
        return f"{ranking}; {unknown}: no floor ({', '.join(BASELINES)}) was measured on the same items."
    if not all(above):
        count = f"{above.count(False)} of {len(above)} comparisons"
        return (
            f"{ranking}; {unknown}: at {strength} level it is not above the floor ({', '.join(BASELINES)}) in {count}."
        )
    return (
        f"{ranking}, a difference of {low - high:+.1f} with {interval}, above the floors: "
        f"better with {strength}s than with {weakness}s, beside the seven."
    )


def probes(method: str, results: Sequence[Result]) -> list[dict[str, Any]]:
    """List what was put on an encoder: heads of the attentive probe, blocks that segmentation read (from 1).

    Both follow from its width and depth, and may be others than the protocol states. Results of older versions do not
    tell.
    """
    return [
        {"experiment": result.key.experiment, "dataset": result.key.dataset, name: result.facts[name]}
        for result in results
        for name in ("num_heads", "blocks")
        if result.key.method == method and name in result.facts
    ]


def _pairs(
    method: str, columns: Sequence[Mapping[str, Any]], items: Items
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return paired comparisons with the seven, and with the floors, as far as measured on the same items.

    Holm's procedure is over all with the seven; those with the floors are no part of its family.
    """
    pairs: dict[CellId, dict[str, Any]] = {}
    for column in columns:
        scores = items.scores(column, (method, *METHODS, *BASELINES))
        own_scores = scores.pop(method, None)
        if own_scores is None or not scores:
            continue
        place = {word: column[word] for word in (*_WORDS, "level")}
        for rival, difference in differences(own_scores, scores, items.groups(column, method)).items():
            pairs[CellId(method=rival, **{word: column[word] for word in _WORDS})] = (
                place | {"reference": rival} | asdict(difference)
            )
    floor_pairs = [pair for cell, pair in pairs.items() if cell.method in BASELINES]
    pairs = {cell: pair for cell, pair in pairs.items() if cell.method in METHODS}
    confirmed_cells = set(holm({cell: pair["p_value"] for cell, pair in pairs.items()}, ALPHA))
    return [pair | {"confirmed": cell in confirmed_cells} for cell, pair in pairs.items()], floor_pairs


class Items:
    """Scores of single items of a run, read once."""

    def __init__(self, store: Store, results: Sequence[Result]) -> None:
        self._store, self._results = store, {result.key: result for result in results}
        self._items: dict[Key, PerItemScores | None] = {}

    def scores(self, column: Mapping[str, Any], methods: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return method -> scores in a column, of those that were measured on the same items as the first."""
        name = f"{column['setting']}/{column['metric']}"
        items = {method: self._of(column, method) for method in methods}
        first = items[methods[0]]
        return {
            method: entry.scores[name]
            for method, entry in items.items()
            if first is not None and entry is not None and entry.identity == first.identity
            if name in first.scores and name in entry.scores
        }

    def groups(self, column: Mapping[str, Any], method: str) -> NDArray[np.int32]:
        """Return the image of each item of a method that has scores."""
        entry = self._of(column, method)
        assert entry is not None
        return entry.groups

    def _of(self, column: Mapping[str, Any], method: str) -> PerItemScores | None:
        key = Key(column["experiment"], column["dataset"], method)
        if key not in self._items:
            result = self._results.get(key)
            self._items[key] = None if result is None else self._store.items(result)
        return self._items[key]
