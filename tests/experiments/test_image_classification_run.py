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
import torch
from safetensors.torch import load_file
from torch import Tensor

from suite.cli.main import main
from suite.core.paths import MINI_WEIGHTS as WEIGHTS
from suite.core.signals import TERMINATED
from suite.experiments import context
from suite.protocol.profiles import load_profile
from tests.support.here import do_jobs_here
from tests.support.lookalikes import save

ENCODERS = ("dino", "mae")
EPOCHS = load_profile("paper").experiment("image_classification").settings.epochs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that differ a little in colour, as JPEG files."""
    folder = tmp_path_factory.mktemp("imagenet")
    draws = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 8)):
        for number in range(count):
            wnid = f"n0000000{number % 2}"
            pixels = draws.integers(0, 256, (24, 32, 3)) // 2
            pixels[..., number % 2] += 24
            save(folder / "imagenet1k" / split / wnid / f"{split}_{number:08}.JPEG", pixels.astype(np.uint8))
    return folder


Probes = dict[str, dict[str, Tensor]]
"""By digest of all that it depends on: a probe's weights, losses and judgements."""


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Probes:
    """Of an uninterrupted run in one process."""
    return ran(data, tmp_path_factory.mktemp("alone"))


def options(data: Path, folder: Path, *more: str) -> list[str]:
    places = {"data": data, "weights": WEIGHTS, "run": folder / "run", "cache": folder / "cache"}
    arguments = ["--profile=paper", "--experiment=image_classification", "--device=cpu"]
    limit = "--limit=24"  # keeps published values from being held against it
    arguments += [] if any(option.startswith("--encoder") for option in more) else [f"--encoder={','.join(ENCODERS)}"]
    return ["reproduce", *arguments, limit, *more, *(f"--{name}={value}" for name, value in places.items())]


def ran(data: Path, folder: Path, *more: str, probes: int = 2 * len(ENCODERS)) -> Probes:
    context.load.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda _pid: {0})  # sums are rounded by the number of threads
        assert main(options(data, folder, "--workers=1", *more)) == 0
    states = {path.stem: load_file(path) for path in (folder / "cache/probes").glob("*.safetensors")}
    assert len(states) == probes
    return states


def assert_same(probes: Probes, expected: Probes) -> None:
    assert probes.keys() == expected.keys()
    for digest, tensors in expected.items():
        for name, tensor in tensors.items():
            assert torch.equal(probes[digest][name], tensor), (digest, name)


@pytest.mark.slow
def test_something_is_learned(alone: Probes) -> None:
    """Else the comparisons below would compare first weights."""
    for tensors in alone.values():
        assert len(tensors["losses"]) == EPOCHS
        assert tensors["losses"][-10:].mean() < 0.9 * tensors["losses"][:10].mean()


@pytest.mark.slow
def test_encoders_on_one_stream_learn_as_alone(
    data: Path, alone: Probes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    from suite.imagenet_pipeline.tokens import TokenStream

    encoded = TokenStream._encoded
    do_jobs_here(monkeypatch)
    monkeypatch.setattr(
        TokenStream, "_encoded", lambda self, *arguments: read.append(self) or encoded(self, *arguments)
    )
    assert_same(ran(data, tmp_path, "--share-stream"), alone)
    assert len(read) == EPOCHS + 1, "every epoch, and the evaluation images, once for both encoders"


@pytest.mark.slow
def test_other_learning_rates_come_beside_the_stated_one(data: Path, alone: Probes, tmp_path: Path) -> None:
    swept = ran(data, tmp_path, "--encoder=dino", "--variant=probe-rates=swept", probes=2 * 5)
    stated = {digest: probe for digest, probe in alone.items() if digest in swept}
    assert len(stated) == 2, "a probe beside others is the one that it is alone"
    assert_same({digest: swept[digest] for digest in stated}, stated)
    [linear, attentive] = json.loads((tmp_path / "run/report.json").read_text())["rates"]
    assert [rate for rate, _ in linear["points"]] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert [rate for rate, _ in attentive["points"]] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16])
    kept = json.loads((tmp_path / "run/cells/image_classification/imagenet1k/dino.json").read_text())["summaries"]
    heads = [(head["setting"], head["rate"], head["stated"]) for head in kept["trainings"]]
    assert sorted(heads)[5:] == [("linear", pytest.approx(rate), rate == 0.4) for rate in (0.1, 0.2, 0.4, 0.8, 1.6)]
    for head in kept["trainings"]:
        assert head["steps"][-1] == head["evaluations"][-1][0] == head["evaluation_losses"][-1][0]
        assert len(head["evaluation_losses"]) == len(head["evaluations"])
        assert len(head["steps"]) == len(head["losses"]) == len(head["accuracies"]) <= 20
        assert all(0 <= accuracy <= 100 for accuracy in head["accuracies"])
    assert kept["trainings"][0]["evaluations"][-1][1] == pytest.approx(kept["linear"][0]["last"], abs=1e-4)
    assert "linear probe by learning rate" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
def test_processes_that_share_batches_learn_what_one_does(data: Path, alone: Probes, tmp_path: Path) -> None:
    """The first epochs to 1e-6; later ones multiply what rounding leaves, since so few images hardly vary."""
    states = ran(data, tmp_path, "--encoder=dino", "--processes-per-probe=2", probes=2)
    away = torch.stack([(tensors["losses"] - alone[digest]["losses"]).abs() for digest, tensors in states.items()])
    assert away[:, :10].max() <= 1e-6
    assert 0 < away.max() <= 1e-3, "other shares round otherwise; without a difference nothing was shared"


@pytest.mark.slow
def test_terminated_and_asked_again_it_ends_with_the_same_values(data: Path, alone: Probes, tmp_path: Path) -> None:
    """With worker processes, as schedulers find it: the signal reaches the first process only."""
    command = [sys.executable, "-m", "suite", *options(data, tmp_path, "--workers=2")]
    running = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "run").glob("training/*.json")):
        assert running.poll() is None, "it ended before it began to train"
        assert time.monotonic() < deadline, "it never began to train"
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, message = running.communicate(timeout=120)
    assert running.returncode == TERMINATED, message
    assert "the same command goes on from here" in message
    kept = [int(load_file(path)["rounds"]) for path in (tmp_path / "cache/probes").glob("*.safetensors")]
    assert any(0 < rounds < EPOCHS for rounds in kept), kept
    assert_same(ran(data, tmp_path), alone)
