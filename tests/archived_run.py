"""A run of two results, judged and reported, for the tests of what is made of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from suite.assemble import report
from suite.provenance import trial_code
from suite.request import make_request
from suite.results import Items, Key, Result, Store, write_json

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


def write_run(run: Path) -> Path:
    request = make_request(
        encoders=["deit", "mae"], datasets=["cifar10"], experiments=["object_retrieval"], device="cpu", run=run
    )
    items = Items({"encoded/ap": np.ones((1, 3), np.float32)}, "c" * 64, np.arange(3, dtype=np.int32))
    Store(run).save(result(), items)
    Store(run).save(result(Key("object_retrieval", "cifar10", "mae"), 10.5))
    times = {"started": "2025-01-01T00:00:00+00:00", "finished": "2025-01-01T00:01:00+00:00"}
    write_json(run / "run.json", {"asked": request.record(), **times, "reused": []})
    report(run)
    return run
