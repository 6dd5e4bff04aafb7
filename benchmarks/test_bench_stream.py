"""Reading, decoding and augmenting ImageNet-like JPEGs: the stream against a plain torchvision loader.

    python -m pytest benchmarks/test_bench_stream.py --benchmark-enable

5,000 generated JPEGs of 469x387 (quality 90, edges and texture at four scales, about 90 kB). Plain: `ImageFolder`,
`RandomResizedCrop(224, bicubic)`, flip, `ToTensor`, `Normalize`, `DataLoader` with worker processes. Ours:
`ImageStream` with as many threads, then the same normalisation to float of every batch. Both in turns in one process
tree, the same batches of 256; wall time and CPU seconds of the process and its workers. `STREAM_IMAGES=500` for a
shorter look. Results go to `results/stream_<date>.json`.

On a GPU also from JPEG to tokens: `TokenStream` with a ViT-B/16 in bfloat16, end to end from files that the system
holds in memory, by each decoder, for JPEGs with full colour (4:4:4, nvJPEG's) and with reduced colour (4:2:0, the
CPU's). Beside it the encoder alone, on pixels that are there already, and the largest product of bfloat16 matrices;
shares of that count two operations for each multiply-accumulate of the blocks (`Shape.flops`). Results go to
`results/stream_gpu_<date>.json`. Threads and device start anew with each epoch, so use `STREAM_IMAGES=50000` there
(4.5 GB). `STREAM_DEVICE=cpu STREAM_IMAGES=16` runs that with a small encoder and records nothing: it shows only that
the code works.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import transforms as T

from benchmarks.machine import matmul_flops, processor
from suite.core.processors import usable_processors
from suite.encoders import BASE, MINI
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.experiments.costs.shape import Shape
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.parity import parity
from suite.imagenet_pipeline.tokens import TokenStream, token_encoder
from suite.plan.calibrate import timed
from suite.plan.shapes import build

RESULTS = Path(__file__).parent / "results"
COUNT, BATCH, SIZE, ROUNDS = int(os.environ.get("STREAM_IMAGES", "5000")), 256, 224, 2
WORKERS = len(os.sched_getaffinity(0))
DEVICE = os.environ.get("STREAM_DEVICE", "cuda")
DISTINCT = 200
"""Images drawn; the others are copies under other names, which costs a decoder the same."""


def jpeg(seed: int) -> Image.Image:
    draws = np.random.default_rng(seed)
    total = np.full((387, 469, 3), 128.0)
    for side, strength in ((6, 60), (24, 35), (96, 20), (387, 10)):
        layer = Image.fromarray(draws.integers(0, 255, (side, side * 469 // 387, 3), dtype=np.uint8))
        total += (np.asarray(layer.resize((469, 387), Image.Resampling.BICUBIC), float) - 128) * strength / 60
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def write(root: Path, **options: object) -> Path:
    for n in range(COUNT):
        path = root / f"n{n % 10:08}" / f"{n}.JPEG"
        path.parent.mkdir(exist_ok=True)
        if n < DISTINCT:
            jpeg(n).save(path, quality=90, **options)
        else:
            path.write_bytes((root / f"n{n % DISTINCT % 10:08}" / f"{n % DISTINCT}.JPEG").read_bytes())
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("jpegs"))


def plain(root: Path) -> int:
    steps = [
        T.RandomResizedCrop(SIZE, interpolation=T.InterpolationMode.BICUBIC, antialias=True),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    dataset = torchvision.datasets.ImageFolder(str(root), T.Compose(steps))
    return sum(len(x) for x, _ in torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS))


def ours(root: Path) -> int:
    paths = sorted(root.rglob("*.JPEG"))
    stream = ImageStream(paths, SIZE, augment=True, workers=WORKERS)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    images = torch.empty(BATCH, 3, SIZE, SIZE)
    seen = 0
    for _, pixels in stream.batches(0, np.array_split(np.random.default_rng(0).permutation(COUNT), -(-COUNT // BATCH))):
        images[: len(pixels)].copy_(pixels).div_(255).sub_(mean).div_(std)
        seen += len(pixels)
    return seen


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def test_stream(benchmark, folder):
    spent = {way.__name__: {"wall": 0.0, "cpu": 0.0} for way in (plain, ours)}
    for turn in range(ROUNDS):
        for way in (plain, ours) if turn % 2 else (ours, plain):
            wall, cpu = time.perf_counter(), cpu_seconds()
            assert way(folder) == COUNT
            spent[way.__name__]["wall"] += time.perf_counter() - wall
            spent[way.__name__]["cpu"] += cpu_seconds() - cpu
    benchmark.pedantic(lambda: ours(folder), rounds=1, iterations=1)
    total = ROUNDS * COUNT
    bounds = parity(sorted(folder.rglob("*.JPEG"))[::25], SIZE)
    result = {f"{way}_images_per_second": round(total / s["wall"]) for way, s in spent.items()}
    result |= {f"{way}_cpu_ms_per_image": round(1e3 * s["cpu"] / total, 2) for way, s in spent.items()}
    result |= {f"times_faster_{k}": round(spent["plain"][k] / spent["ours"][k], 2) for k in ("wall", "cpu")}
    result |= {"parity_max_levels": bounds.max_levels, "parity_mean_levels": round(bounds.mean_levels, 4)}
    benchmark.extra_info.update(result)
    record("stream", "test_bench_stream.py --benchmark-enable", result)
    assert bounds.passes
    assert result["times_faster_cpu"] >= 1.5
    assert result["times_faster_wall"] >= 1.5


@pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU")
def test_tokens_from_jpegs(benchmark, folder, tmp_path_factory):
    folders = {"full_colour": write(tmp_path_factory.mktemp("full"), subsampling=0), "reduced_colour": folder}
    result = benchmark.pedantic(lambda: from_jpegs_to_tokens(folders), rounds=1, iterations=1)
    benchmark.extra_info.update(result)
    if DEVICE == "cuda":
        record("stream_gpu", "test_bench_stream.py -k tokens --benchmark-enable", result)


def from_jpegs_to_tokens(folders: dict[str, Path]) -> dict[str, object]:
    shape, batch = (Shape("vit", BASE), 256) if DEVICE == "cuda" else (Shape("vit", MINI), 8)
    encoder, side = build(shape, DEVICE), shape.architecture.image_size
    encode = token_encoder(encoder, forward_batch_size=batch, autocast=torch.bfloat16)
    peak, alone = matmul_flops(DEVICE), encoder_images_per_second(encode, batch, side)
    work = shape.flops(side)
    result: dict[str, object] = {
        "bf16_matmul_tflops": round(peak / 1e12, 1),
        "encoder_alone_images_per_second": round(alone),
        "encoder_alone_share_of_peak": round(alone * work / peak, 3),
    }
    for colour, root in folders.items():
        paths = sorted(root.rglob("*.JPEG"))
        for decoder in ("device", "fast"):
            images = ImageStream(paths, side, augment=True, decoder=decoder, device=DEVICE)
            rate = tokens_per_second(TokenStream(images, {"a": encode}, forward_batch_size=batch))
            comparison = parity(paths[:: max(1, COUNT // 200)], side, decoder=decoder, device=DEVICE)
            result |= {
                f"{colour}_{decoder}_images_per_second": round(rate),
                f"{colour}_{decoder}_share_of_encoder_alone": round(rate / alone, 3),
                f"{colour}_{decoder}_share_of_peak": round(rate * work / peak, 3),
                f"{colour}_{decoder}_decoded_by": dict(images.decoded),
                f"{colour}_{decoder}_parity": str(comparison),
            }
    return result


def tokens_per_second(stream: TokenStream) -> float:
    """Images a second; the first epoch warms up."""
    chunks = torch.arange(len(stream)).split(4 * stream.forward_batch_size)

    def epoch(number: int) -> None:
        assert sum(len(by_encoder["a"]) for by_encoder in stream.tokens(number, chunks)) == len(stream)

    epoch(0)
    seconds = timed(lambda: [epoch(1 + number) for number in range(ROUNDS)], share_s=0.0, device=DEVICE)
    return ROUNDS * len(stream) / seconds


def encoder_images_per_second(encode, batch: int, side: int) -> float:
    pixels = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, device=DEVICE)
    passes = 20 if DEVICE == "cuda" else 1
    seconds = timed(lambda: [encode(pixels, np.arange(batch)) for _ in range(passes)], share_s=20.0, device=DEVICE)
    return passes * batch / seconds


def record(name: str, command: str, result: dict[str, object]) -> None:
    now = datetime.now(UTC)
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, PIL)} | {"python": platform.python_version()}
    gpu = f"{torch.cuda.get_device_name()}, " if name == "stream_gpu" else ""
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": f"python -m pytest benchmarks/{command}",
        "device": f"{gpu}{processor()}, {usable_processors()} cores, {WORKERS} workers",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": versions,
        "problem": {"images": COUNT, "size_px": "469x387", "quality": 90, "batch": BATCH, "rounds": ROUNDS},
        "result": result,
    }
    (RESULTS / f"{name}_{now:%Y-%m-%d}.json").write_text(json.dumps(content, indent=2) + "\n")
