"""The batch script of a shard under bash, with stand-ins for Slurm and the suite: what it does when a signal comes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.launch.slurm import REQUEUES, Submission, scripts
from suite.run.request import make_request

Start = Callable[..., subprocess.Popen[str]]
SUITE = """#!/bin/bash
echo "$@" > arguments
trap 'echo told >> told; exit 143' TERM
touch began
for _ in $(seq 200); do [ -e ended ] && exit "$(cat ended)"; sleep 0.02; done
"""
SCONTROL = """#!/bin/bash
echo "$@" >> scontrol.log
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space in its name, where the script works; scontrol there notes what it is asked for."""
    folder = tmp_path / "a place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in (("scontrol", SCONTROL), ("suite.sh", SUITE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    return folder


@pytest.fixture
def start(folder: Path) -> Start:
    """Start the script of a run's second shard of three, as slurmd would."""

    def start(setup: str = "", *, joined: bool = True) -> subprocess.Popen[str]:
        request = make_request(encoders=["dino", "mae", "cae"], datasets=["cifar10"], device="cpu", run=folder / "run")
        submission = Submission(count=3, setup=[setup] if setup else [], python=str(folder / "suite.sh"))
        [script], _ = scripts(request, submission)
        (folder / "run").mkdir(exist_ok=True)
        if joined:
            (folder / "run" / "run.json").touch()
        (folder / "job.sh").write_text(script)
        return subprocess.Popen(["bash", "job.sh"], stderr=subprocess.PIPE, text=True, start_new_session=True)

    return start


def wait_for(path: Path) -> None:
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)


def told(folder: Path) -> dict[str, list[str]]:
    """Return the lines of each file that the script, the shard and scontrol have written."""
    place = folder / "run/shards/2-of-3"
    paths = {"codes": place / "exit_code", "requeues": folder / "scontrol.log", "terms": folder / "told"}
    return {name: path.read_text().splitlines() if path.exists() else [] for name, path in paths.items()}


@pytest.mark.parametrize("code", [0, 2, 3, 137])
def test_the_exit_code_of_a_shard_is_noted_and_is_the_jobs(start: Start, folder: Path, code: int) -> None:
    (folder / "ended").write_text(str(code))
    assert start().wait(10) == code
    assert told(folder) == {"codes": [str(code)], "requeues": [], "terms": []}
    words = (folder / "arguments").read_text().split()
    assert words[:4] == ["-m", "suite", "reproduce", "--runtime=venv"]
    assert words[-2:] == ["--shard", "2/3"]


def test_near_its_time_limit_a_shard_ends_with_a_checkpoint_and_its_own_task_is_requeued(
    start: Start, folder: Path
) -> None:
    job = start()
    wait_for(folder / "began")
    job.send_signal(signal.SIGUSR1)
    assert job.wait(10) == 143
    assert told(folder) == {"codes": ["143"], "requeues": ["requeue 7_2"], "terms": ["told"]}


def test_a_shard_is_requeued_five_times_at_most_and_anew_in_a_new_array(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "run/shards/2-of-3"
    place.mkdir(parents=True)
    (place / "requeued").write_text("7\n" * REQUEUES)
    job = start("kill -USR1 $$")
    assert job.wait(10) == 143
    assert told(folder)["requeues"] == []
    assert job.stderr is not None
    assert job.stderr.read() == (
        "error: shard 2 of 3: requeued 5 times at its time limit: pass a longer one, e.g. --sbatch=--time=12:00:00\n"
    )
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "8")
    assert start("kill -USR1 $$").wait(10) == 143
    assert told(folder)["requeues"] == ["requeue 8_2"]


def test_the_limit_may_come_before_the_shard_has_begun(start: Start, folder: Path) -> None:
    assert start("kill -USR1 $$").wait(10) == 143
    assert not (folder / "began").exists()
    assert told(folder) == {"codes": ["143"], "requeues": ["requeue 7_2"], "terms": []}


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGUSR1, signal.SIGTERM]])
def test_a_cancelled_shard_stays_cancelled_also_near_its_time_limit(
    start: Start, folder: Path, signals: list[signal.Signals]
) -> None:
    (folder / "suite.sh").write_text((folder / "suite.sh").read_text().replace("exit 143", "sleep 0.5; exit 143"))
    job = start()
    wait_for(folder / "began")
    for number in signals:
        os.killpg(job.pid, number) if number == signal.SIGTERM else job.send_signal(number)  # Slurm tells all or one
        time.sleep(0.1)
    assert job.wait(10) == 143
    assert told(folder)["codes"] == ["143"]
    assert told(folder)["requeues"] == []


def test_what_ends_by_itself_near_the_limit_is_not_requeued(start: Start, folder: Path) -> None:
    (folder / "suite.sh").write_text((folder / "suite.sh").read_text().replace("exit 143", "exit 0"))
    job = start()
    wait_for(folder / "began")
    job.send_signal(signal.SIGUSR1)
    assert job.wait(10) == 0
    assert told(folder)["requeues"] == []


def test_a_node_that_does_not_see_the_run_folder_says_so(start: Start, folder: Path) -> None:
    job = start(joined=False)
    assert job.wait(10) == 3
    assert job.stderr is not None
    [line] = job.stderr.read().splitlines()
    assert line.endswith(
        f"{folder}/run/run.json: expected the file that launch wrote, found none: "
        "put --run on a disk that all nodes share"
    )
    assert not (folder / "began").exists()
