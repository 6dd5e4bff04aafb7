"""All-against-all AP at 32,768 items x 768 dims on the CPU, against scikit-learn called per query.

    python -m pytest benchmarks/test_bench_retrieval.py --benchmark-enable

The suite's time covers everything: normalising, the matrix product, ranking, AP of each query twice (with and
without itself). scikit-learn's covers its call alone, scores given, on a sample of queries, half before and half
after. Results go to `results/retrieval_<date>.json`.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.machine import processor
from suite.core.processors import usable_processors
from suite.metrics import retrieval_average_precision

ITEMS, WIDTH, CLASSES, SAMPLE = 32_768, 768, 10, 64
RESULTS = Path(__file__).parent / "results"


def continuous(rng: np.random.Generator) -> NDArray[np.float32]:
    """Cosines around 0, half of them negative, hardly any equal."""
    return rng.normal(size=(ITEMS, WIDTH)).astype(np.float32)


def tied(rng: np.random.Generator) -> NDArray[np.float32]:
    """256 entries of +-1 each: cosines are multiples of 1/256, exact in float32, so nearly all tie."""
    features = np.zeros((ITEMS, WIDTH), np.float32)
    places = rng.random((ITEMS, WIDTH), np.float32).argpartition(256, axis=1)[:, :256]
    np.put_along_axis(features, places, rng.choice(np.float32([-1, 1]), places.shape), axis=1)
    return features


class PeakMemory:
    """Most memory that the process held inside the `with`, MiB above what it held at its start."""

    def __enter__(self) -> PeakMemory:
        self._process, self._done = psutil.Process(), threading.Event()
        self._start = self._peak = self._process.memory_info().rss
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()
        self.mib = (self._peak - self._start) / 2**20


def sklearn_seconds(unit: NDArray[np.float32], labels: NDArray[np.int64], queries: range) -> tuple[float, list[float]]:
    """Mean time of a call, and the values."""
    seconds, values = 0.0, []
    for query in queries:
        relevant, scores = labels == labels[query], unit @ unit[query]
        start = time.perf_counter()
        values.append(float(average_precision_score(relevant, scores)))
        seconds += time.perf_counter() - start
    return seconds / len(queries), values


@pytest.mark.parametrize("make", [continuous, tied])
def test_retrieval_average_precision(benchmark, make):
    rng = np.random.default_rng(0)
    features, labels = make(rng), rng.integers(0, CLASSES, ITEMS)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    sample = range(0, ITEMS, ITEMS // SAMPLE)
    before, first = sklearn_seconds(unit, labels, sample[: SAMPLE // 2])
    with PeakMemory() as memory:
        start = time.perf_counter()
        ap = benchmark.pedantic(retrieval_average_precision, (features, labels), rounds=1, iterations=1)
        seconds = time.perf_counter() - start
    after, second = sklearn_seconds(unit, labels, sample[SAMPLE // 2 :])

    difference = float(np.abs(ap[list(sample)] - [*first, *second]).max())
    reference = (before + after) / 2
    result = {
        "seconds": round(seconds, 2),
        "ms_per_query": round(1e3 * seconds / ITEMS, 4),
        "sklearn_ms_per_query": round(1e3 * reference, 3),
        "times_faster": round(reference * ITEMS / seconds, 2),
        "largest_difference": difference,
        "peak_memory_mib": round(memory.mib),
        "all_scores_would_be_mib": ITEMS**2 * 4 // 2**20,
    }
    benchmark.extra_info.update(result)
    record(make.__name__, result)
    assert difference < 1e-6


def record(case: str, result: dict[str, float]) -> None:
    """Add a case to today's file."""
    now = datetime.now(UTC)
    path = RESULTS / f"retrieval_{now:%Y-%m-%d}.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else {}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_retrieval.py --benchmark-enable",
        "device": f"{processor()}, {usable_processors()} cores, {torch.get_num_threads()} threads",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": {m.__name__: m.__version__ for m in (np, torch, sklearn)} | {"python": platform.python_version()},
        "problem": {"items": ITEMS, "width": WIDTH, "classes": CLASSES, "sklearn_sample": SAMPLE},
        "cases": cases | {case: result},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
