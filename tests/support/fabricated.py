"""Run folders of made-up numbers, to be judged: Table 1 of the paper, and a part of the mini study; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.cells import METHODS, CellId
from suite.core.files import write_json
from suite.core.paths import EXPECTED
from suite.reference.select import references
from suite.results.store import Key

__all__ = ["EXPECTED", "TABLE_1", "mini_probe", "table_1", "write_run"]

TABLE_1 = ("linear/top1", "attentive/top1")
FINISHED = "2026-06-01T12:00:00+00:00"
HOUR = 3600.0
Values = Mapping[Key, Mapping[str, Sequence[float]]]


def write_run(
    run: Path, profile: str, values: Values, seeds: Sequence[int], *, finished: str = FINISHED, **changes: Any
) -> Path:
    """A finished run of these values, each result an hour's work."""
    for key, of_key in values.items():
        write_json(
            run / "cells" / key.experiment / key.dataset / f"{key.method}.json",
            {
                "schema": 1,  # which carries no evidence of its values: there is none
                "experiment": key.experiment,
                "dataset": key.dataset,
                "method": key.method,
                "unit": "percent",
                "values": {name: list(of_seeds) for name, of_seeds in of_key.items()},
                "summaries": {},
                "inputs": {"weights": "a" * 64, "data": "b" * 64, "code": "c" * 64, "seeds": list(seeds)},
                "protocol": {"limit": None},
                "seeds": list(seeds),
                "seconds": HOUR,
                "peak_memory_mib": 1,
                "finished": finished,
            },
        )
    cells = [
        str(CellId(k.experiment, k.dataset, k.method, *name.split("/")))
        for k, names in values.items()
        for name in names
    ]
    request = {
        "profile": profile,
        "encoders": list(dict.fromkeys(key.method for key in values)),
        "datasets": list(dict.fromkeys(key.dataset for key in values)),
        "experiments": list(dict.fromkeys(key.experiment for key in values)),
        "variants": {},
        "seeds": list(seeds),
        "device": "cpu",
        "limit": None,
        "strict": False,
        "cells": cells,
        "command": "python -m suite reproduce",
    }
    times = {"started": "2026-06-01T10:00:00+00:00", "finished": finished}
    write_json(run / "run.json", {"asked": request | changes, **times, "reused": []})
    return run


def table_1(run: Path, off: float | Callable[[str], float], noise: Sequence[float] = (0.0,), **changes: Any) -> Path:
    """All 14 cells of Table 1, each so far off the published value; a seed for each number of `noise`."""
    published = references("paper", {}, None)
    values = {}
    for method in METHODS:
        key = Key("image_classification", "imagenet1k", method)
        shift = off(method) if callable(off) else off
        cells = {name: CellId(key.experiment, key.dataset, method, *name.split("/")) for name in TABLE_1}
        base = {name: float(published[cell].value or 0) for name, cell in cells.items()}
        values[key] = {
            name: [round(value + shift + deviation, 6) for deviation in noise] for name, value in base.items()
        }
    return write_run(run, "paper", values, range(len(noise)), **changes)


def mini_probe(run: Path, seeds: Sequence[int] = (0,), factor: float = 1.0) -> Path:
    """Part classification on CUB by DINO as recorded, times a factor."""
    key = Key("part_classification", "cub200", "dino")
    recorded = references("mini", {}, None)
    values = {
        name: [
            recorded[CellId(key.experiment, key.dataset, key.method, *name.split("/"))].by_seed[seed] * factor
            for seed in seeds
        ]
        for name in ("linear/accuracy", "attentive/accuracy")
    }
    return write_run(run, "mini", {key: values}, seeds)
