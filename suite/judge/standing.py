"""Standing of a candidate among the paper's seven: the content of the report's section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

from suite.cells import BASELINES, METHODS, CellId
from suite.judge.intervals import holm
from suite.judge.paired import differences
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
    entries = []
    for method in candidates:
        columns = list(_columns(method, values, expected, word))
        if columns:
            means = _mean_ranks(method, columns)
            entries.append(
                {
                    "method": method,
                    "columns": columns,
                    "mean_ranks": means,
                    "sentence": _sentence(means.get(method, {}), columns),
                    "pairs": _pairs(method, columns, store, {r.key: r for r in results}),
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
        references: dict[str, dict[str, Any]] = {}
        for rival in METHODS:
            place = replace(cell, method=rival)
            reference = expected.get(place)
            if place in values:
                references[rival] = {"value": values[place], "source": "measured"}
            elif reference is not None and reference.value is not None:
                references[rival] = {"value": reference.value, "source": word}
        if references:
            words = asdict(cell) | {"level": level, "value": value}
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


def _sentence(ranks: Mapping[str, float], columns: Sequence[Mapping[str, Any]]) -> str:
    """Compare object level with part level, in words."""
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
    if abs(low - high) < EQUAL_RANKS:
        return f"{ranking}: much the same standing at both levels."
    strength, weakness = ("objects", "parts") if low < high else ("parts", "objects")
    return f"{ranking}: better with {strength} than with {weakness}, beside the seven."


def _pairs(
    method: str, columns: Sequence[Mapping[str, Any]], store: Store, results: Mapping[Key, Result]
) -> list[dict[str, Any]]:
    """Return paired comparisons with every reference that was measured on the same items; Holm over all of them."""
    pairs: dict[CellId, dict[str, Any]] = {}
    for column in columns:
        name = f"{column['setting']}/{column['metric']}"
        candidate_items = _items(store, results, column, method)
        if candidate_items is None or name not in candidate_items.scores:
            continue
        reference_scores = {
            rival: items.scores[name]
            for rival, reference in column["references"].items()
            if reference["source"] == "measured"
            and (items := _items(store, results, column, rival)) is not None
            and items.identity == candidate_items.identity
            and name in items.scores
        }
        if reference_scores:
            place = {word: column[word] for word in (*_WORDS, "level")}
            for rival, difference in differences(
                candidate_items.scores[name], reference_scores, candidate_items.groups
            ).items():
                pairs[CellId(method=rival, **{word: column[word] for word in _WORDS})] = (
                    place | {"reference": rival} | asdict(difference)
                )
    confirmed_cells = set(holm({cell: pair["p_value"] for cell, pair in pairs.items()}, ALPHA))
    return [pair | {"confirmed": cell in confirmed_cells} for cell, pair in pairs.items()]


def _items(store: Store, results: Mapping[Key, Result], column: Mapping[str, Any], method: str) -> PerItemScores | None:
    result = results.get(Key(column["experiment"], column["dataset"], method))
    return None if result is None else store.items(result)
