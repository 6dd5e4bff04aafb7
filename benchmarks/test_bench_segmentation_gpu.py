"""Segmentation heads on a GPU: what they add to the encoder, crops a second, hours for the tables.

    python -m pytest benchmarks/test_bench_segmentation_gpu.py --benchmark-enable

A ViT-B/16 in float16, as the paper profile runs it, and the heads of each set of images (ADE20K's three, Pascal's two,
LIP's six learning rates) on random crops of its size: steps of 16 crops a head by `train_bank`, with as many distinct
crops as such a set needs. Beside them the encoder alone on these crops, and the largest product of bfloat16 matrices;
shares of that count two operations for each multiply-accumulate of the blocks (`Shape.flops`). Hours are those of
160,000 steps of seven encoders; reading, cropping and evaluation come on top (`make plan`). And the loss of a head of
150 classes in three ways: the kernel, tiles, and torch's own functions. Labels come in blocks of 24 pixels, as the
kernel counts on few around a place; it is also timed on noise, its worst case. Results go to
`results/segmentation_gpu_<date>.json`.

`SEGMENTATION_DEVICE=cpu` runs that with a small encoder and records nothing: it shows only that the code works.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import matmul_flops, processor
from suite.core.processors import usable_processors
from suite.encoders import BASE, MINI
from suite.experiments.costs.segmentation import DISTINCT_CROPS
from suite.experiments.costs.shape import Shape
from suite.plan.calibrate import timed
from suite.plan.samples import block_labels
from suite.plan.shapes import build
from suite.probes import segmentation_loss
from suite.segmentation.bank import HeadSpec
from suite.segmentation.batch import Batch
from suite.segmentation.encode import blocks_at, layer_features
from suite.segmentation.fused import fused_loss
from suite.segmentation.train import train_bank

RESULTS = Path(__file__).parent / "results"
DEVICE = os.environ.get("SEGMENTATION_DEVICE", "cuda")
HALF = None if DEVICE == "cpu" else torch.float16
PASS, BATCH, STEPS = (8, 16, 50) if DEVICE == "cuda" else (2, 2, 2)
SETS = {
    "ade20k": (512, [("all", 150, 4e-4), ("object", 59, 4e-4), ("part", 209, 4e-4)]),
    "pascal": (480, [("object", 16, 4e-4), ("part", 193, 4e-4)]),
    "lip": (320, [("lip", 19, rate) for rate in (1e-5, 2e-4, 3e-4, 4e-4, 5e-4, 1e-3)]),
}
"""Crop's side in pixels; label set, classes and learning rate of each head."""

needs_its_device = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU")


@needs_its_device
def test_heads_beside_the_encoder(benchmark):
    shape = Shape("vit", BASE if DEVICE == "cuda" else MINI)
    peak = matmul_flops(DEVICE)
    banks = benchmark.pedantic(lambda: {name: bank(shape, name, peak) for name in SETS}, rounds=1, iterations=1)
    hours = sum(costs["hours_of_seven_encoders"] for costs in banks.values())
    record("heads", banks | {"bf16_matmul_tflops": round(peak / 1e12, 1), "hours_of_tables_2_and_4": round(hours, 1)})


def bank(shape: Shape, name: str, peak: float) -> dict[str, float]:
    crop, heads = SETS[name]
    crop = crop if DEVICE == "cuda" else 4 * shape.architecture.patch_size
    encoder = build(shape, DEVICE)
    encode = layer_features(encoder, blocks_at(encoder.depth), autocast=HALF, batch_size=PASS)
    label_sets = dict.fromkeys(label_set for label_set, _, _ in heads)
    distinct = round(BATCH * DISTINCT_CROPS[len(label_sets)])
    batch = Batch(
        torch.randn(distinct, 3, crop, crop, device=DEVICE),
        {name: labels(min(c for of, c, _ in heads if of == name), crop) for name in label_sets},
        {name: torch.randperm(distinct)[:BATCH] for name in label_sets},
    )
    specs = [HeadSpec(f"{of} {rate:g}", of, classes, lr=rate) for of, classes, rate in heads]
    channels = 4 * encoder.embed_dim

    def train() -> None:
        half = HALF is not None
        train_bank(
            encode, lambda _: batch, specs, in_channels=channels, iterations=STEPS, warmup=1, device=DEVICE, half=half
        )

    step = seconds(train) / STEPS
    alone = seconds(lambda: [encode(batch.pixels) for _ in range(STEPS)]) / STEPS
    return {
        "crop": crop,
        "heads": len(heads),
        "encoder_ms": round(1e3 * alone, 2),
        "step_ms": round(1e3 * step, 2),
        "heads_add_of_the_encoder_s_time": round(step / alone - 1, 3),
        "encoded_crops_per_second": round(distinct / step, 1),
        "share_of_peak": round(distinct / step * shape.flops(crop) / peak, 3),
        "hours_of_seven_encoders": round(7 * 160_000 * step / 3600, 2),
    }


@needs_its_device
def test_the_loss_in_three_ways(benchmark):
    grid, side = (32, 512) if DEVICE == "cuda" else (4, 64)
    logits = torch.randn(BATCH, 150, grid, grid, device=DEVICE).contiguous(memory_format=torch.channels_last)
    target = labels(150, side)
    ways = {"kernel": fused_loss if DEVICE == "cuda" else segmentation_loss, "tiles": segmentation_loss, "torch": plain}
    gradients = {name: gradient(way, logits, target) for name, way in ways.items()}
    largest = gradients["torch"].abs().max()

    def measured() -> dict[str, float]:
        return {
            f"{name}_ms": round(1e3 * seconds(lambda w=way: gradient(w, logits, target)), 3)
            for name, way in ways.items()
        }

    result = benchmark.pedantic(measured, rounds=1, iterations=1)
    for name in ("kernel", "tiles"):
        difference = float((gradients[name] - gradients["torch"]).abs().max() / largest)
        result[f"{name}_gradient_difference_relative_to_the_largest_gradient"] = difference
        assert difference < 1e-5
    noise = torch.randint(150, target.shape, dtype=torch.uint8, device=DEVICE)
    result["kernel_with_another_label_in_every_pixel_ms"] = round(
        1e3 * seconds(lambda: gradient(ways["kernel"], logits, noise)), 3
    )
    record("loss", result)


def plain(logits: Tensor, target: Tensor) -> Tensor:
    enlarged = F.interpolate(logits, size=target.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(enlarged, target.long(), ignore_index=255, reduction="none").mean()


def gradient(way: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.detach().requires_grad_()
    return torch.autograd.grad(way(leaf, target), leaf)[0]


def labels(classes: int, side: int) -> Tensor:
    blocks = block_labels(BATCH, side, classes)
    return blocks.masked_fill(block_labels(BATCH, side, 10) == 0, 255).to(DEVICE)


def seconds(work: Callable[[], object]) -> float:
    return timed(work, share_s=20.0, device=DEVICE)


def record(case: str, result: dict[str, object]) -> None:
    """Add a case to today's file."""
    if DEVICE != "cuda":
        return
    now = datetime.now(UTC)
    path = RESULTS / f"segmentation_gpu_{now:%Y-%m-%d}.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else {}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_segmentation_gpu.py --benchmark-enable",
        "device": f"{torch.cuda.get_device_name()}, {processor()}, {usable_processors()} cores",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "steps": STEPS,
        "cases": cases | {case: result},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
