"""Segmentation heads on the CPU: the loss against the plain way, and a sweep of six heads against one.

    python -m pytest benchmarks/test_bench_segmentation.py --benchmark-enable

The plain way is the paper's text to the letter: enlarge the features by 4, apply the head, enlarge its logits to the
crop, cross-entropy. Both ways alternate in one process; each round compares the processor seconds of the two, and the
median ratio counts. Peak memory is the most that a process of its own held resident, as Linux counts it (VmHWM; set
back first), above what it held when features, labels and head were ready. (`ru_maxrss` would be no less than the
parent's.) Results go to `results/segmentation_<date>.json`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import processor
from suite.core.processors import usable_processors
from suite.encoders import load_encoder
from suite.encoders.architecture import Architecture
from suite.probes import SegmentationHead, segmentation_loss
from suite.probes.upsampling import enlarge
from suite.segmentation.bank import HeadLearner, HeadSpec
from suite.segmentation.encode import blocks_at, layer_features
from suite.training.schedules import Poly

CHANNELS, CLASSES, GRID, CROP, IGNORED = 3072, 150, 32, 512, 0.1
SWEEP = (1e-5, 2e-4, 3e-4, 4e-4, 5e-4, 1e-3)
ROUNDS = 5
RESULTS = Path(__file__).parent / "results"


def plain(head: SegmentationHead, features: Tensor, target: Tensor) -> Tensor:
    """Enlarge, classify, enlarge, compare."""
    wide = F.interpolate(features, scale_factor=4, mode="bilinear", align_corners=False)
    logits = F.conv2d(wide, head.fc.weight[:, :, None, None], head.fc.bias)
    enlarged = F.interpolate(logits, size=target.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(enlarged, target.long(), ignore_index=255, reduction="none").mean()


def tiled(head: SegmentationHead, features: Tensor, target: Tensor) -> Tensor:
    """The same function of the weights."""
    return segmentation_loss(enlarge(head(features), 4 * features.shape[2], 4 * features.shape[3]), target)


def once(head: SegmentationHead, features: Tensor, target: Tensor) -> Tensor:
    """The official code's: enlarged in one step."""
    return segmentation_loss(head(features), target)


WAYS = {"plain": plain, "tiled": tiled, "once": once}


def problem() -> tuple[SegmentationHead, Tensor, Tensor]:
    """A head and one crop; features channels last, as a ViT leaves them."""
    generator = torch.Generator().manual_seed(0)
    head = SegmentationHead(CHANNELS, CLASSES, generator=generator)
    features = torch.randn(1, GRID, GRID, CHANNELS, generator=generator).permute(0, 3, 1, 2)
    target = torch.randint(CLASSES, (1, CROP, CROP), generator=generator).to(torch.uint8)
    target[torch.rand(target.shape, generator=generator) < IGNORED] = 255
    return head, features, target


def gradients(way: str, head: SegmentationHead, features: Tensor, target: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(WAYS[way](head, features, target), list(head.parameters())))


def peak_memory_mib(way: str) -> float:
    """In a process of its own, after a small problem has loaded whatever is loaded late."""
    head, features, target = problem()
    gradients(way, head, features[:, :, :2, :2], target[:, :32, :32])
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_kib("VmHWM")
    gradients(way, head, features, target)
    return (resident_kib("VmHWM") - before) / 1024


def resident_kib(counter: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(counter))


def measured_apart(way: str) -> float:
    command = [sys.executable, __file__, way]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds, which other jobs on the machine stretch less than they do the clock."""
    start = time.process_time()
    work()
    return time.process_time() - start


def alternated(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Processor seconds of each way in each round; a first round is thrown away."""
    rounds = [{name: seconds(work) for name, work in ways.items()} for _ in range(ROUNDS + 1)][1:]
    return {name: [times[name] for times in rounds] for name in ways}


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    return round(median(a / b for a, b in zip(times[slow], times[fast], strict=True)), 2)


def test_the_loss_against_the_plain_way(benchmark):
    head, features, target = problem()
    gradients_by_way = {way: gradients(way, head, features, target) for way in WAYS}
    difference = max(
        float((ours - theirs).abs().max() / theirs.abs().max())
        for ours, theirs in zip(gradients_by_way["tiled"], gradients_by_way["plain"], strict=True)
    )
    run = {way: lambda way=way: gradients(way, head, features, target) for way in WAYS}
    times = benchmark.pedantic(alternated, (run,), rounds=1, iterations=1)
    memory = {way: measured_apart(way) for way in WAYS}
    result = {
        "crop": CROP,
        "classes": CLASSES,
        "cpu_seconds_median": {way: round(median(values), 3) for way, values in times.items()},
        "times_faster": ratio(times, "plain", "tiled"),
        "times_faster_in_one_step": ratio(times, "plain", "once"),
        "peak_memory_mib": {way: round(mib, 1) for way, mib in memory.items()},
        "times_less_memory": round(memory["plain"] / memory["tiled"], 1),
        "times_less_memory_in_one_step": round(memory["plain"] / memory["once"], 1),
        "largest_gradient_difference_relative_to_the_largest_gradient": difference,
    }
    record("loss", result)
    assert difference < 1e-5
    assert result["times_faster"] >= 2.5
    assert result["times_less_memory"] >= 8


def test_six_heads_against_one(benchmark):
    encoder = load_encoder("random_init", architecture=Architecture(224, 16, 768, 12))
    encode = layer_features(encoder, blocks_at(encoder.depth))
    pixels = torch.randn(2, 3, 320, 320, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(19, (2, 320, 320), generator=torch.Generator().manual_seed(1)).to(torch.uint8)

    def bank(rates: tuple[float, ...]) -> Callable[[], None]:
        specs = [HeadSpec(f"{lr:g}", "lip", 19, lr=lr) for lr in rates]
        learners = [HeadLearner(spec, CHANNELS, Poly(1000, 0), torch.device("cpu")) for spec in specs]

        def step() -> None:
            features = encode(pixels)
            for learner in learners:
                learner.learn(features, labels)

        return step

    ways = {"one": bank((4e-4,)), "six": bank(SWEEP), "encoder": lambda: encode(pixels)}
    times = benchmark.pedantic(alternated, (ways,), rounds=1, iterations=1)
    result = {
        "encoder": "ViT-B/16, random weights",
        "crop": 320,
        "batch": len(pixels),
        "cpu_seconds_median": {name: round(median(values), 3) for name, values in times.items()},
        "six_cost_times_one": ratio(times, "six", "one"),
    }
    record("six_heads", result)
    assert result["six_cost_times_one"] <= 1.3


def record(case: str, result: dict[str, object]) -> None:
    """Add a case to today's file."""
    now = datetime.now(UTC)
    path = RESULTS / f"segmentation_{now:%Y-%m-%d}.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else {}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_segmentation.py --benchmark-enable",
        "device": f"{processor()}, {usable_processors()} cores, {torch.get_num_threads()} threads",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "rounds": ROUNDS,
        "cases": cases | {case: result},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    print(peak_memory_mib(sys.argv[1]))
