"""Any process of a run or shard, killed at any moment: no hang, no finished cell lost, the same bits in the end.

RANDOM_KILLS=100 for a longer trial; RANDOM_SEED for another one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from suite.core.paths import ROOT

KILLS = int(os.environ.get("RANDOM_KILLS", "20"))
SEED = int(os.environ.get("RANDOM_SEED", "0"))
PATIENCE_S = 300
KILLED = {0, 2, -signal.SIGKILL}
"""Exit codes of a run whose processes were killed."""
LOG = "output.log"


def start(folder: Path, data: Path, *more: str) -> subprocess.Popen[bytes]:
    selection = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--device", "cpu", "--limit", "400"]
    places = ["--run", str(folder / "run"), "--data", str(data), "--cache", str(folder / "cache")]
    command = [sys.executable, "-m", "suite", "reproduce", "--runtime", "venv", *selection, *places, *more]
    folder.mkdir(exist_ok=True)
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def ended_as(codes: set[int], run: subprocess.Popen[bytes], folder: Path) -> bool:
    """Wait for a run's end, and show what the runs of its folder said last where its exit code is none of these."""
    code = run.wait(PATIENCE_S)
    assert code in codes, f"exit code {code}: {(folder / LOG).read_text(errors='replace')[-3000:]}"
    return True


def cells(folder: Path) -> dict[str, bytes]:
    """Finished cells by their names."""
    return {path.name: path.read_bytes() for path in (folder / "run").glob("cells/*/*/[!.]*.json")}


def values(folder: Path) -> dict[str, dict[str, list[float]]]:
    return {name: json.loads(content)["values"] for name, content in cells(folder).items()}


def victim(run: subprocess.Popen[bytes], chance: random.Random) -> psutil.Process | None:
    """Any process of the run; the first one, after which it has to be started again, one time in five."""
    try:
        first = psutil.Process(run.pid)
        others = first.children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    return first if not others or chance.random() < 0.2 else chance.choice(others)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drawn_cifar10: Path) -> dict[str, dict[str, list[float]]]:
    """Values of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert ended_as({0}, start(folder, drawn_cifar10), folder)
    return values(folder)


@pytest.mark.slow
def test_killing_any_process_at_any_moment_loses_nothing(
    tmp_path: Path, drawn_cifar10: Path, undisturbed: dict[str, dict[str, list[float]]]
) -> None:
    chance = random.Random(SEED)
    disturbed, finished, runs = tmp_path / "disturbed", {}, 1
    run = start(disturbed, drawn_cifar10, "--shard", "1/2")
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 4))
        process = victim(run, chance)
        if process is not None:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        now = cells(disturbed)
        assert finished.items() <= now.items()
        finished = now
        if run.poll() is not None or (process is not None and process.pid == run.pid):
            run.wait(PATIENCE_S)
            parts: list[list[str]] = [[], ["--shard", "1/2"], ["--shard", "2/2"]]
            run, runs = start(disturbed, drawn_cifar10, *chance.choice(parts)), runs + 1
    assert ended_as(KILLED, run, disturbed)
    assert finished.items() <= cells(disturbed).items()
    assert ended_as({0}, start(disturbed, drawn_cifar10), disturbed)
    assert finished.items() <= cells(disturbed).items()
    assert values(disturbed) == undisturbed
    print(f"{KILLS} kills in {runs} runs")


@pytest.mark.slow
def test_killing_two_shards_at_work_in_one_folder_loses_nothing_and_the_same_commands_complete_the_run(
    tmp_path: Path, drawn_cifar10: Path, undisturbed: dict[str, dict[str, list[float]]]
) -> None:
    chance, finished, starts = random.Random(SEED), dict[str, bytes](), 2
    shards = {word: start(tmp_path, drawn_cifar10, "--shard", word, "--workers", "1") for word in ("1/2", "2/2")}
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 3))
        word = chance.choice(sorted(shards))
        if (process := victim(shards[word], chance)) is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        now = cells(tmp_path)
        assert finished.items() <= now.items()
        finished = now
        for word, shard in shards.items():
            if shard.poll() is not None or (process is not None and process.pid == shard.pid):
                assert ended_as(KILLED, shard, tmp_path)
                shards[word], starts = start(tmp_path, drawn_cifar10, "--shard", word, "--workers", "1"), starts + 1
    assert all(ended_as(KILLED, shard, tmp_path) for shard in shards.values())
    for word in shards:
        assert ended_as({0}, start(tmp_path, drawn_cifar10, "--shard", word, "--workers", "1"), tmp_path)
    assert finished.items() <= cells(tmp_path).items()
    assert values(tmp_path) == undisturbed
    print(f"{KILLS} kills of two shards in {starts} starts")
