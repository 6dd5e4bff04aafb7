"""What the contract costs: encoding against the bare timm model, loading against the size of the file.

    python -m pytest benchmarks/test_bench_encoding.py --benchmark-enable

Encoding: `Encoder.forward`, which returns `Tokens` with four raw layers, and timm's own `forward_features` of the
same module on the same images, in turns; the ratio is of the sums of CPU seconds. Loading: a process that does
nothing else; its peak memory (resident, pages of the mapped file included) less what it held after importing, its
time with the digest of the weights. Results go to `results/encoding_<date>.json`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import timm
import torch

from benchmarks.machine import processor
from suite.core.processors import usable_processors
from suite.encoders import load_encoder
from tests.support.checkpoints import VIT_B, write

RESULTS = Path(__file__).parent / "results"
METHODS = ("deit", "mocov3", "dino", "beit", "mae", "cae", "ibot")
ROUNDS, BATCH = 6, 4
LAYERS = (3, 5, 7, 11)
LOADING = """
import json, sys, time
from pathlib import Path
import suite.encoders, timm.models.beit, safetensors.torch
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
encoder = suite.encoders.load_encoder(sys.argv[1])
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, peak() - before, encoder.digest]))
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of official layouts at full size, random."""
    folder = tmp_path_factory.mktemp("weights")
    for method in METHODS:
        write(method, folder / f"{method}.pth", sizes=VIT_B)
    return folder


@pytest.mark.parametrize("method", ["deit", "beit"])
def test_encoding(benchmark, weights, method):
    encoder = load_encoder(method, weights=weights)
    vit = encoder.trunk.vit
    images = torch.randn(BATCH, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    seconds = {"encoder": 0.0, "timm": 0.0}

    def bare():
        with torch.no_grad():
            vit.forward_features(images)

    def full():
        encoder(images, layers=LAYERS)

    bare(), full()
    for turn in range(ROUNDS):
        for name in sorted(seconds, reverse=bool(turn % 2)):
            start = time.process_time()
            full() if name == "encoder" else bare()
            seconds[name] += time.process_time() - start
    benchmark.pedantic(full, rounds=1, iterations=1)
    ratio = seconds["encoder"] / seconds["timm"]
    per_image = {f"{name}_cpu_ms_per_image": round(1e3 * s / ROUNDS / BATCH, 1) for name, s in seconds.items()}
    result = per_image | {"ratio": round(ratio, 3)}
    benchmark.extra_info.update(result)
    record(f"encode {method}", result)
    assert ratio < 1.05


@pytest.mark.parametrize("method", METHODS)
def test_loading(benchmark, weights, method):
    path = weights / f"{method}.pth"
    command = [sys.executable, "-c", LOADING, f"{method}@{path}"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    result = benchmark.pedantic(
        lambda: subprocess.run(command, env=environment, capture_output=True, text=True, check=True), rounds=1
    )
    wall, cpu, memory, digest = json.loads(result.stdout)
    size = path.stat().st_size
    measurements = {
        "file_mib": round(size / 2**20),
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "extra_memory_over_file_size": round(memory / size, 3),
    }
    benchmark.extra_info.update(measurements)
    record(f"load {method}", measurements)
    assert len(digest) == 64
    assert cpu < 3
    assert memory < 1.2 * size


def record(case: str, result: dict[str, float]) -> None:
    """Add a case to today's file."""
    now = datetime.now(UTC)
    path = RESULTS / f"encoding_{now:%Y-%m-%d}.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else {}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_encoding.py --benchmark-enable",
        "device": f"{processor()}, {usable_processors()} cores, {torch.get_num_threads()} threads",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": {m.__name__: m.__version__ for m in (torch, timm)} | {"python": platform.python_version()},
        "problem": {"encoder": "ViT-B/16 at 224", "batch": BATCH, "rounds": ROUNDS, "raw_layers": LAYERS},
        "cases": cases | {case: result},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
