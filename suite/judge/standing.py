"""Standing of candidates among the paper's seven: the content of the report's section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np

from suite.cells import BASELINES, METHODS, CellId, Measurement
from suite.judge.beside import Beside
from suite.judge.bootstrap import around, interval, values_drawn
from suite.judge.items import Items
from suite.judge.levels import LEVELS, Draws, gap_of_levels, mean_ranks, verdict_of_levels
from suite.judge.pairings import WORDS, Place, cells_in, pairings, place_of
from suite.reference.expected import Expected
from suite.results.store import Result, Store

OBJECTS = ("object_retrieval", "image_classification", "object_segmentation")
PARTS = ("part_retrieval", "part_classification", "part_segmentation")
METRICS = ("ap", "top1", "accuracy", "miou")
SETTINGS = ("encoded", "projected", "linear", "attentive", "linear_head")
"""Settings that the paper's tables show; other readouts are left to the table of all cells."""
Drawn = Mapping[Place, Sequence[Draws]]
"""Column -> values drawn again, for each set of items that encoders were measured on."""


def standings(
    store: Store,
    results: Sequence[Result],
    expected: Mapping[CellId, Expected],
    word: str,
    order: Sequence[str] = (),
    *,
    beside: Beside | None = None,
) -> list[dict[str, Any]]:
    """Return one entry per candidate in a run (schema: docs/reference/report_schema.md).

    Args:
        store: the run's, for the scores of single items.
        results: what the run measured.
        expected: reference values, which stand in for methods that were not measured.
        word: what those are: `recorded` or `published`.
        order: methods as the user named them.
        beside: results of an earlier run, of encoders that this one did not measure.
    """
    earlier = {m.id: m for r in beside.results for m in r.measurements()} if beside else {}
    measurements = {m.id: m for r in results for m in r.measurements()}
    measured = dict.fromkeys(r.key.method for r in results if r.key.method not in (*METHODS, *BASELINES))
    candidates = [*(m for m in order if m in measured), *(m for m in measured if m not in order)]
    values = Values(measurements, earlier, expected, word)
    columns = {m: list(_columns(m, values, is_alone=len(candidates) == 1)) for m in candidates}
    columns = {method: entries for method, entries in columns.items() if entries}
    items = Items(store, results, beside)
    drawn = {place: _drawn(column, [*columns], items) for place, column in _places(columns).items()}
    pairs = pairings(columns, items)
    shared_places = [p for p in drawn if all(p in map(place_of, entries) for entries in columns.values())]
    return [
        _entry(method, [*_with_intervals(method, entries, measurements, drawn)], drawn, pairs[method])
        | {"level_means": _level_means(method, entries, shared_places, drawn), "probes": probes(method, results)}
        for method, entries in columns.items()
    ]


def _entry(
    method: str, columns: list[dict[str, Any]], drawn: Drawn, pairs: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    means = mean_ranks(method, columns)
    own_draws = ((column["level"], _draws_of(method, drawn[place_of(column)])) for column in columns)
    levels = gap_of_levels(method, ((level, draws) for level, draws in own_draws if draws is not None))
    better_at, sentence = verdict_of_levels(means.get(method, {}), columns, levels, pairs["floor_pairs"])
    return {
        "method": method,
        "columns": columns,
        "mean_ranks": means,
        "levels": levels,
        "better_at": better_at,
        "sentence": sentence,
        **pairs,
    }


@dataclass(frozen=True)
class Values:
    """Values of encoders, the best known first.

    Attributes:
        measured: by this run.
        earlier: by the run beside it.
        expected: recorded or published.
        word: which of the two.
    """

    measured: Mapping[CellId, Measurement]
    earlier: Mapping[CellId, Measurement]
    expected: Mapping[CellId, Expected]
    word: str

    def of(self, cell: CellId) -> dict[str, Any] | None:
        """Return `value` and `source`; None where there is none."""
        for source, table in (("measured", self.measured), ("earlier run", self.earlier)):
            if cell in table:
                return {"value": table[cell].mean, "source": source}
        reference = self.expected.get(cell)
        return None if reference is None or reference.value is None else {"value": reference.value, "source": self.word}


def _columns(method: str, values: Values, *, is_alone: bool) -> Iterator[dict[str, Any]]:
    """Yield the candidate's cells of the paper's tables, each with the seven's values and its rank among them.

    A column without a value of the seven is of use only where there is another candidate.
    """
    for cell, measurement in values.measured.items():
        level = "object" if cell.experiment in OBJECTS else "part" if cell.experiment in PARTS else None
        if cell.method != method or level is None or cell.setting not in SETTINGS or cell.metric not in METRICS:
            continue
        value = measurement.mean
        known = {rival: values.of(replace(cell, method=rival)) for rival in (*METHODS, *BASELINES)}
        beside = {rival: entry for rival, entry in known.items() if entry is not None}
        references = {rival: beside[rival] for rival in METHODS if rival in beside}
        if references or not is_alone:
            floors = {rival: beside[rival] for rival in BASELINES if rival in beside}
            words = asdict(cell) | {"level": level, "value": value, "floors": floors}
            ranks = ranks_of({method: value} | {m: r["value"] for m, r in references.items()})
            yield words | {"references": references, "ranks": ranks, "rank": ranks[method], "of": len(ranks)}


def ranks_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return ranks, 1 for the highest; equal values share the mean of their ranks."""
    return {
        name: 1
        + sum(rival_value > value for rival_value in values.values())
        + (list(values.values()).count(value) - 1) / 2
        for name, value in values.items()
    }


def _places(columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[Place, Mapping[str, Any]]:
    return {place_of(column): column for entries in columns.values() for column in entries}


def _drawn(column: Mapping[str, Any], candidates: Sequence[str], items: Items) -> list[Draws]:
    groups = [group.by_method for group in items.shared(cells_in(column, (*candidates, *METHODS)))]
    return [
        {method: around(sums[method].value, drawn) for method, drawn in values_drawn(sums).items()}
        for sums in groups
        if any(candidate in sums for candidate in candidates)
    ]


def _draws_of(method: str, drawn: Sequence[Draws]) -> Draws | None:
    return next((draws for draws in drawn if method in draws), None)


def _with_intervals(
    method: str, columns: Sequence[dict[str, Any]], measurements: Mapping[CellId, Measurement], drawn: Drawn
) -> Iterator[dict[str, Any]]:
    """Yield the columns with what other images would give, and how far the values of seeds lie apart."""
    for column in columns:
        measurement = measurements[CellId(method=method, **{word: column[word] for word in WORDS})]
        draws = _draws_of(method, drawn[place_of(column)])
        low, high = (None, None) if draws is None else interval(column["value"], draws[method])
        seed_sd = stdev(measurement.values) if len(measurement.values) > 1 else None
        yield column | {"low": low, "high": high, "seed_sd": seed_sd}


def _level_means(
    method: str, columns: Sequence[Mapping[str, Any]], shared_places: Sequence[Place], drawn: Drawn
) -> dict[str, dict[str, Any]]:
    """Return level -> its mean value over the columns that all candidates have, with its interval over images."""
    means: dict[str, dict[str, Any]] = {}
    for level in LEVELS:
        entries = [c for c in columns if c["level"] == level and place_of(c) in shared_places]
        if entries:
            value = fmean(column["value"] for column in entries)
            draws = [_draws_of(method, drawn[place_of(column)]) for column in entries]
            own_draws = [entry[method] for entry in draws if entry is not None]
            is_known = len(own_draws) == len(entries)
            low, high = interval(value, np.mean(own_draws, axis=0)) if is_known else (None, None)
            means[level] = {"value": value, "low": low, "high": high, "columns": len(entries)}
    return means


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
