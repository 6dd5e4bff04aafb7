"""How heads were trained, as results tell: curves, what other learning rates reach, what cells say of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from suite.cells import CellId
from suite.judge.converged import of_cell
from suite.results.store import Result


def trainings(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the curve of every head of the first seed, at each learning rate that it was trained with."""
    return [
        {"experiment": result.key.experiment, "dataset": result.key.dataset, "method": result.key.method} | training
        for result in results
        for training in _trainings(result)
        if training["seed"] == result.facts["seeds"][0]
    ]


def rates(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what probes reach at other learning rates, where they were asked for."""
    return [
        {
            "experiment": r.key.experiment,
            "dataset": r.key.dataset,
            "method": r.key.method,
            "setting": s,
            "points": points,
        }
        for r in results
        for s, points in r.summaries.get("rates", {}).items()
    ]


def of_cells(results: Sequence[Result]) -> dict[CellId, dict[str, Any]]:
    """Tell of every cell of a trained head whether it was trained to the end, and what the best learning rate reaches.

    Returns:
        The fields of `suite.judge.converged.of_cell`, and `rates`: `stated` and `value`, `best` and `best_value`,
        `count` of the rates, best by the evaluation data themselves; None where a single rate was tried.
    """
    swept = dict(_swept(results))
    cells = {}
    for result in results:
        by_setting = _stated(result)
        for measurement in result.measurements():
            if measurement.id.setting in by_setting:
                entry = of_cell(by_setting[measurement.id.setting])
                cells[measurement.id] = entry | {"rates": swept.get(measurement.id)}
    return cells


def _trainings(result: Result) -> list[dict[str, Any]]:
    """Return what a result keeps; of an older version the first seed of the primary setting of segmentation."""
    summaries = result.summaries
    if "trainings" in summaries or "training" not in summaries:
        return [*summaries.get("trainings", ())]
    unknown: dict[str, Any] = {"rate": None, "accuracies": [], "end": None}
    head = {"setting": "linear_head", "metric": "miou", "seed": result.facts["seeds"][0], "stated": True}
    return [head | unknown | summaries["training"]]


def _stated(result: Result) -> dict[str, list[dict[str, Any]]]:
    """Return the trainings at the protocol's learning rate, by setting."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for training in _trainings(result):
        if training["stated"]:
            by_setting.setdefault(training["setting"], []).append(training)
    return by_setting


def _swept(results: Sequence[Result]) -> Iterator[tuple[CellId, dict[str, float]]]:
    """Yield cells whose head was trained at several learning rates: probes swept for it, and heads of the sweep."""
    sweeps: dict[tuple[str, str], dict[float, float]] = {}
    for result in results:
        stated = {setting: group[0] for setting, group in _stated(result).items()}
        for setting, points in result.summaries.get("rates", {}).items():
            if setting in stated:
                yield _cell(result, stated[setting]), _best(stated[setting]["rate"], dict(map(tuple, points)))
        if len(stated) > 1 and all(setting.startswith("lr_") for setting in stated):
            place = (result.key.dataset, result.key.method)
            sweeps[place] = {t["rate"]: fmean(result.values[f"{s}/{t['metric']}"]) for s, t in stated.items()}
    for result in results:
        sweep = sweeps.get((result.key.dataset, result.key.method), {})
        for setting, (training, *_) in _stated(result).items() if sweep else ():
            rate, values = training["rate"], result.values.get(f"{setting}/miou")
            if values and rate is not None:
                yield _cell(result, training), _best(rate, sweep | {rate: fmean(values)})


def _cell(result: Result, training: Mapping[str, Any]) -> CellId:
    key = result.key
    return CellId(key.experiment, key.dataset, key.method, training["setting"], training["metric"])


def _best(stated: float, points: Mapping[float, float]) -> dict[str, float]:
    """Hold the stated rate against the best; it is the best itself where another only equals it."""
    best = max(points, key=lambda rate: (points[rate], rate == stated))
    return {
        "stated": stated,
        "value": round(points[stated], 4),
        "best": best,
        "best_value": round(points[best], 4),
        "count": len(points),
    }
