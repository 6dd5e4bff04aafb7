"""Image classification as a user runs it: however it is spread or interrupted, its values are the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from suite import reproduce
from suite.cli import main
from suite.experiments import trial
from suite.protocol import load_profile
from suite.signals import TERMINATED
from tests.lookalikes import save

WEIGHTS = Path(reproduce.__file__).parent / "mini" / "weights"
ENCODERS = ("dino", "mae")
EPOCHS = load_profile("paper").experiment("image_classification")["epochs"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that differ in colour, as JPEG files."""
    folder = tmp_path_factory.mktemp("imagenet")
    draws = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 16)):
        for number in range(count):
            wnid = f"n0000000{number % 2}"
            pixels = draws.integers(0, 256, (24, 32, 3)) // 2
            pixels[..., number % 2] += 24
            save(folder / "imagenet1k" / split / wnid / f"{split}_{number:08}.JPEG", pixels.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """Values of an uninterrupted run in one process."""
    return ran(data, tmp_path_factory.mktemp("alone"))


def options(data: Path, folder: Path) -> list[str]:
    places = {"data": data, "weights": WEIGHTS, "run": folder / "run", "cache": folder / "cache"}
    asked = ["--profile=paper", "--experiment=image_classification", f"--encoder={','.join(ENCODERS)}", "--device=cpu"]
    limit = "--limit=100000"  # keeps published values from being held against it
    return ["reproduce", *asked, limit, *(f"--{name}={value}" for name, value in places.items())]


def ran(data: Path, folder: Path, *more: str) -> dict[str, list[float]]:
    trial.load.cache_clear()
    assert main([*options(data, folder), *(more or ["--workers=1"])]) == 0
    return values(folder)


def values(folder: Path) -> dict[str, list[float]]:
    found = {}
    for method in ENCODERS:
        result = json.loads((folder / "run/cells/image_classification/imagenet1k" / f"{method}.json").read_text())
        found |= {f"{method} {name}": value for name, value in result["values"].items()}
    assert len(found) == 2 * len(ENCODERS)
    return found


def test_something_is_learned(alone: dict[str, list[float]]) -> None:
    """Else the comparisons below would compare chance with chance."""
    assert all(accuracy > 60 for [accuracy] in alone.values())
    assert len({accuracy for [accuracy] in alone.values()}) > 1


def test_encoders_on_one_stream_learn_as_alone(
    data: Path, alone: dict[str, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    from suite.stream.images import ImageStream

    batches = ImageStream.batches
    monkeypatch.setattr(ImageStream, "batches", lambda self, *given: read.append(self) or batches(self, *given))
    assert ran(data, tmp_path, "--workers=1", "--share-stream") == alone
    assert len(read) == EPOCHS + 1, "every epoch, and the evaluation images, once for both encoders"


def test_processes_that_share_batches_learn_what_one_does(
    data: Path, alone: dict[str, list[float]], tmp_path: Path
) -> None:
    assert ran(data, tmp_path, "--workers=1", "--processes-per-probe=2") == alone


def test_terminated_and_asked_again_it_ends_with_the_same_values(
    data: Path, alone: dict[str, list[float]], tmp_path: Path
) -> None:
    """With worker processes, as schedulers find it: the signal reaches the first process only."""
    command = [sys.executable, "-m", "suite", *options(data, tmp_path), "--workers=2"]
    running = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "run").glob("training/*.json")):
        assert running.poll() is None, "it ended before it began to train"
        assert time.monotonic() < deadline, "it never began to train"
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=120)
    assert running.returncode == TERMINATED, said
    assert "the same command goes on from here" in said
    kept = {path.stem: rounds(path) for path in (tmp_path / "cache/probes").glob("*.safetensors")}
    assert any(0 < count < EPOCHS for count in kept.values()), kept
    assert ran(data, tmp_path) == alone


def rounds(path: Path) -> int:
    with safe_open(path, "pt") as file:
        return int(file.get_tensor("rounds"))
