"""Reading, decoding and augmenting ImageNet-like JPEGs: the stream against a plain torchvision loader.

    python -m pytest benchmarks/test_bench_stream.py --benchmark-enable

5,000 generated JPEGs of 469x387 (quality 90, edges and texture at four scales, about 90 kB). Plain: `ImageFolder`,
`RandomResizedCrop(224, bicubic)`, flip, `ToTensor`, `Normalize`, `DataLoader` with worker processes. Ours:
`ImageStream` with as many threads, then the same normalisation to float of every batch. Both in turns in one process
tree, the same batches of 256; wall time and CPU seconds of the process and its workers. `STREAM_IMAGES=500` for a
shorter look. Results go to `results/stream_<date>.json`.
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

from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD
from suite.stream.images import ImageStream
from suite.stream.parity import parity

RESULTS = Path(__file__).parent / "results"
COUNT, BATCH, SIZE, ROUNDS = int(os.environ.get("STREAM_IMAGES", "5000")), 256, 224, 2
WORKERS = len(os.sched_getaffinity(0))
DISTINCT = 200
"""Images drawn; the others are copies under other names, which costs a decoder the same."""


def jpeg(seed: int) -> Image.Image:
    draws = np.random.default_rng(seed)
    total = np.full((387, 469, 3), 128.0)
    for side, strength in ((6, 60), (24, 35), (96, 20), (387, 10)):
        layer = Image.fromarray(draws.integers(0, 255, (side, side * 469 // 387, 3), dtype=np.uint8))
        total += (np.asarray(layer.resize((469, 387), Image.Resampling.BICUBIC), float) - 128) * strength / 60
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("jpegs")
    for n in range(COUNT):
        path = root / f"n{n % 10:08}" / f"{n}.JPEG"
        path.parent.mkdir(exist_ok=True)
        if n < DISTINCT:
            jpeg(n).save(path, quality=90)
        else:
            path.write_bytes((root / f"n{n % DISTINCT % 10:08}" / f"{n % DISTINCT}.JPEG").read_bytes())
    return root


def plain(root: Path) -> int:
    steps = [
        T.RandomResizedCrop(SIZE, interpolation=T.InterpolationMode.BICUBIC, antialias=True),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    found = torchvision.datasets.ImageFolder(str(root), T.Compose(steps))
    return sum(len(x) for x, _ in torch.utils.data.DataLoader(found, BATCH, shuffle=True, num_workers=WORKERS))


def ours(root: Path) -> int:
    paths = sorted(root.rglob("*.JPEG"))
    stream = ImageStream(paths, SIZE, augment=True, workers=WORKERS)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    seen = 0
    for _, pixels in stream.batches(0, np.array_split(np.random.default_rng(0).permutation(COUNT), -(-COUNT // BATCH))):
        images = torch.from_numpy(pixels).float().div_(255).sub_(mean).div_(std)
        seen += len(images)
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
    record(result)
    assert bounds.passes
    assert result["times_faster_cpu"] >= 1.5
    assert result["times_faster_wall"] >= 1.5


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def record(result: dict[str, float]) -> None:
    now = datetime.now(UTC)
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, PIL)} | {"python": platform.python_version()}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_stream.py --benchmark-enable",
        "device": f"{processor()}, {os.cpu_count()} cores, {WORKERS} workers",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": versions,
        "problem": {"images": COUNT, "size_px": "469x387", "quality": 90, "batch": BATCH, "rounds": ROUNDS},
        "result": result,
    }
    (RESULTS / f"stream_{now:%Y-%m-%d}.json").write_text(json.dumps(content, indent=2) + "\n")
