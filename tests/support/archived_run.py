"""A run of two results, judged and reported, for the tests of what is made of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from suite.core.environment import capture
from suite.core.files import plain, write_json
from suite.core.source_code import trial_code
from suite.report.collect import report
from suite.results.records import digest_of_record
from suite.results.store import Key, PerItemScores, Result, Store
from suite.run.request import make_request

KEY = Key("object_retrieval", "cifar10", "deit")
CELL = f"{KEY}/encoded/ap"
CELLS = f"cells/{KEY}.json"


def result(key: Key = KEY, value: float = 12.25, seconds: float = 1.0) -> Result:
    return Result(
        key=key,
        values={"encoded/ap": [value]},
        summaries={},
        inputs={"weights": "a" * 64, "data": "b" * 64, "code": trial_code(key.experiment)},
        protocol={"limit": None},
        facts={"seeds": [], "seconds": seconds, "peak_memory_mib": 1},
    )


def items(value: float = 12.25) -> PerItemScores:
    """Three queries whose AP averages to a value, per cent."""
    scores = np.array([[value / 200, value / 100, 3 * value / 200]])
    return PerItemScores({"encoded/ap": scores}, "c" * 64, np.arange(3, dtype=np.int32))


def alter(path: Path, edit: Callable[[dict[str, Any]], Any], *, sign: bool = False) -> None:
    """Edit a JSON file by hand; with `sign` also the digest that a cell file holds of itself."""
    content = json.loads(path.read_text())
    edit(content)
    if sign:
        content["digest"] = digest_of_record(content)
    path.write_text(json.dumps(content))


def write_run(run: Path) -> Path:
    request = make_request(
        encoders=["deit", "mae"], datasets=["cifar10"], experiments=["object_retrieval"], device="cpu", run=run
    )
    Store(run).save(result(), items())
    Store(run).save(result(Key("object_retrieval", "cifar10", "mae"), 10.5), items(10.5))
    times = {"started": "2025-01-01T00:00:00+00:00", "finished": "2025-01-01T00:01:00+00:00"}
    write_json(run / "run.json", {"asked": request.record(), **times, "reused": []})
    write_json(run / "environment.json", plain(capture("cpu")))
    report(run)
    return run
