"""Part patches of a file of the size of COCO's person_keypoints_train2017.json: 118,287 images, 262,465 people.

    python -m pytest benchmarks/test_bench_coco_index.py --benchmark-enable

The file is made up (as many rows with and without keypoints as the real one, outlines of 15 to 49 points), and read in
a process of its own, whose processor seconds and peak memory are recorded: on a busy machine wall-clock time says
little. Results go to `results/coco_index_<date>.json`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from suite.core.processors import usable_processors

IMAGES, PEOPLE, WITH_KEYPOINTS, KINDS = 118_287, 262_465, 149_813, 2_000
RESULTS = Path(__file__).parent / "results"
LIMIT_SECONDS, LIMIT_MIB = 20, 2048
READ = """
import json, resource, sys, time
from pathlib import Path
from suite.datasets import coco
imported = time.process_time()
patches = coco.part_patches(Path(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = {"cpu_seconds": time.process_time() - imported, "cpu_seconds_with_imports": used.ru_utime + used.ru_stime}
print(json.dumps(seconds | {"peak_memory_mib": used.ru_maxrss / 1024, "patches": len(patches)}))
"""


def annotation(rng: np.random.Generator, *, keypoints: bool) -> str:
    """A person without ids."""
    points = np.zeros((17, 3), int)
    if keypoints:
        points[:, :2] = rng.integers(0, 480, (17, 2))
        points[:, 2] = rng.choice(3, 17, p=[0.3, 0.1, 0.6])
        points[points[:, 2] == 0] = 0
    row = {
        "segmentation": [np.round(rng.random(2 * int(rng.integers(15, 50))) * 640, 2).tolist()],
        "num_keypoints": int((points[:, 2] > 0).sum()),
        "area": 28292.08625,
        "iscrowd": 0,
        "keypoints": points.ravel().tolist(),
        "bbox": [267.03, 104.32, 229.19, 320.0],
        "category_id": 1,
    }
    return json.dumps(row)[:-1]


def write(path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["nose"] + [
        f"{side}_{joint}"
        for joint in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
    url = "http://images.cocodataset.org/train2017"
    facts = {"license": 3, "height": 480, "width": 640, "date_captured": "2013-11-14 11:18:45"}
    images = [
        {"file_name": f"{i:012d}.jpg", "coco_url": f"{url}/{i:012d}.jpg", "id": i} | facts for i in range(1, IMAGES + 1)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": names}]
    kinds = [[annotation(rng, keypoints=k) for _ in range(KINDS)] for k in (True, False)]
    image_ids = rng.integers(1, 64_116, PEOPLE)
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        file.write(json.dumps({"info": {}, "images": images, "categories": categories})[:-1] + ', "annotations": [')
        for i, image_id in enumerate(image_ids.tolist()):
            kind = kinds[i >= WITH_KEYPOINTS][i % KINDS]
            file.write(f'{", " if i else ""}{kind}, "image_id": {image_id}, "id": {200_000 + 7 * i}}}')
        file.write("]}")


def read(root: Path) -> dict[str, float]:
    """Part patches of the file, in a process of its own, with that process's cost."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(root)], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)


def test_coco_index(benchmark: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "annotations" / "person_keypoints_train2017.json"
    write(path)
    runs = []
    benchmark.pedantic(lambda: runs.append(read(tmp_path)), rounds=3, iterations=1)
    result = min(runs, key=lambda run: run["cpu_seconds"])
    record({key: round(value, 2) for key, value in result.items()}, runs, path.stat().st_size)
    assert result["patches"] > 100_000
    assert result["cpu_seconds_with_imports"] < LIMIT_SECONDS
    assert max(run["peak_memory_mib"] for run in runs) < LIMIT_MIB


def record(result: dict[str, float], runs: list[dict[str, float]], size: int) -> None:
    """Today's file."""
    now = datetime.now(UTC)
    content = {
        "date": now.isoformat(timespec="seconds"),
        "command": "python -m pytest benchmarks/test_bench_coco_index.py --benchmark-enable",
        "device": f"{platform.machine()}, {usable_processors()} cores, one thread",
        "load_average_at_end": round(os.getloadavg()[0], 1),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pycocotools": metadata.version("pycocotools"),
        },
        "problem": {"images": IMAGES, "people": PEOPLE, "with_keypoints": WITH_KEYPOINTS, "file_bytes": size},
        "limits": {"cpu_seconds": LIMIT_SECONDS, "peak_memory_mib": LIMIT_MIB},
        "best_of_3": result,
        "cpu_seconds_of_each": [round(run["cpu_seconds"], 2) for run in runs],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"coco_index_{now:%Y-%m-%d}.json").write_text(json.dumps(content, indent=2) + "\n")
