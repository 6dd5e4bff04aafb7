"""A finished check of a new encoder beside the seven, of made-up results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from suite.cells import BASELINES, METHODS, CellId, method_name
from suite.core.files import write_json
from suite.reference.expected import Expected
from suite.results.store import Key, PerItemScores, Result, Store

MINE = "mine-build"
PLACES = {
    "object_retrieval/cifar10": ("encoded/ap", []),
    "image_classification/imagenet1k": ("linear/top1", [0]),
    "part_retrieval/cub200": ("encoded/ap", []),
    "part_classification/cub200": ("linear/accuracy", [0]),
}
SWEEP = {f"timm:vit@runs/a/epoch{n}/checkpoint.pth": f"timm-vit-epoch{n}-checkpoint.pth" for n in (100, 200, 300)}
"""Three checkpoints of one training: spec -> name in cells."""
LEVELS = dict(zip(METHODS, (80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0), strict=True))
FLOORS = dict(zip(BASELINES, (5.0, 3.0), strict=True))
ITEMS = 120


def store_result(run: Path, place: str, method: str, value: float, **changes: object) -> Result:
    """A result with a value, and scores of items around it."""
    name, seeds = PLACES[place]
    experiment, dataset = place.split("/")
    draw = np.random.default_rng([len(place), *method.encode()])
    values = [round(value + shift, 3) for shift in (draw.normal(0, 0.2, max(1, len(seeds))) if seeds else [0])]
    scores = value / 100 + draw.normal(0, 0.05, (max(1, len(seeds)), ITEMS))
    scores += np.array(values)[:, None] / 100 - scores.mean(axis=1, keepdims=True)
    result = Result(
        key=Key(experiment, dataset, method),
        values={name: values},
        summaries={"test_items": 400} if seeds else {},
        inputs={"weights": "a" * 64, "data": "d", "code": "c"},
        protocol={},
        facts=({"num_heads": 4} if seeds else {})
        | {"seeds": seeds, "seconds": 1.0, "device": "cpu", "packages": {}, "code_state": {"commit": "c0ffee"}},
    )
    identity = str(changes.get("identity", place))
    items = PerItemScores({name: scores}, identity, np.arange(ITEMS, dtype=np.int32) // 3)
    Store(run).save(result, items)
    return Store(run).load(result.key)


def write_sweep(folder: Path, sweep: Mapping[str, str] = SWEEP) -> None:
    """A finished check of several candidates beside the seven: the later the better, most so with parts."""
    for place in PLACES:
        for method, value in (LEVELS | FLOORS).items():
            store_result(folder, place, method, value)
        for number, method in enumerate(sweep.values()):
            store_result(folder, place, method, 41 + 8 * number if place.startswith("part") else 52 + 2 * number)
    write_record(folder, [*sweep])


def of_older_version(run: Path, result: Result) -> None:
    """Its file as it was before results carried evidence."""
    path = Store(run).path(result.key)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in record.items() if k not in ("digest", "items")} | {"schema": 1}))


def write_record(folder: Path, candidates: Sequence[str] = ("mine:build",), **changes: object) -> None:
    specs = [*candidates, *METHODS, *BASELINES]
    cells = [f"{place}/{method_name(spec)}/{PLACES[place][0]}" for place in PLACES for spec in specs]
    request = {
        "profile": "mini",
        "encoders": specs,
        "experiments": [place.split("/")[0] for place in PLACES],
        "datasets": [place.split("/")[1] for place in PLACES],
        "cells": cells,
        "variants": {},
        "limit": None,
        "strict": False,
        "device": "cpu",
        "seeds": [0],
        "command": "python -m suite check mine:build",
    } | changes
    times = {"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00", "reused": []}
    write_json(folder / "run.json", {"asked": request, **times, "reused": []})


def recorded_value(experiment: str, dataset: str, setting: str, metric: str) -> Expected:
    cell = CellId(experiment, dataset, "dino", setting, metric)
    return Expected(cell, 60.0, "percent", 0.0, None, "us", False, 0.25, 3.0, "why", seed_sd=0.4, seed_df=36, seeds=5)


EXPECTED_OF_THE_SEVEN = {
    e.cell: e
    for e in (
        recorded_value("image_classification", "imagenet1k", "linear", "top1"),
        recorded_value("part_classification", "cub200", "linear", "accuracy"),
    )
}
