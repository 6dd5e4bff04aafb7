"""Two commands and one run folder: the second one is refused before it touches anything, or both join."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.core.paths import ROOT
from suite.run.folder import LOCK, lock_of
from tests.support.holders import holding, kill

ASKED = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--device", "cpu"]


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and content, and every folder."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["reproduce", *ASKED, "--runtime", "venv", "--run"], ", or choose another folder (--run)"),
        (["reproduce", *ASKED, "--runtime", "venv", "--join", "--run"], ", or start both with --join"),
        (["check", "timm:vit_tiny_patch16_224", "--runtime", "venv", "--run"], ", or choose another folder (--run)"),
        (["record", "--reason", "why", "--run"], ", or choose another folder (--run)"),
        (["report"], ""),
        (["accept", "--reason", "why"], ""),
    ],
)
def test_whoever_writes_into_a_run_folder_is_refused_while_another_does(
    run: Path, arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with holding(run / LOCK) as holder:
        before = snapshot(run)
        assert main([*arguments, str(run)]) == 3
        assert snapshot(run) == before
    assert re.fullmatch(
        rf"error: {run}: process {holder.pid} on \S+ since \S+ \(.+\) is at work in it: "
        rf"wait for it to end{re.escape(advice)}\n",
        capsys.readouterr().err,
    )


def test_whoever_reads_a_run_folder_is_not_refused(run: Path) -> None:
    with holding(run / LOCK):
        assert main(["verify", str(run)]) == 0
        assert main(["compare", str(run), str(run)]) == 0
        assert main(["archive", str(run), "--out", str(run.parent / "out.zip")]) in {0, 3}  # 3: made by other code


@pytest.mark.slow
def test_pytest_by_hand_is_refused_too(run: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suite/experiments", *ASKED]
    with holding(run / LOCK) as holder:
        before = snapshot(run)
        done = subprocess.run([*command, "--run", str(run)], cwd=ROOT, capture_output=True, text=True, check=False)
        assert snapshot(run) == before
    assert done.returncode == 3
    assert f"error: {run}: process {holder.pid} on " in done.stdout + done.stderr


@pytest.mark.slow
def test_two_that_join_measure_one_request_together(drawn_cifar10: Path, tmp_path: Path) -> None:
    places = ["--run", str(tmp_path / "run"), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "suite", "reproduce", *ASKED, *places, "--encoder", "dino,mae", "--join"]
    command += ["--workers", "1", "--runtime", "venv"]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "12"
    ]
    texts = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["verdict"] == "reproduced"
    assert [entry["exit_code"] for entry in report["attempts"]["entries"]] == [0, 0]
    measured = Counter(name for entry in report["attempts"]["entries"] for name in entry["measured"]["names"])
    assert measured == {f"object_retrieval/cifar10/{name}": 1 for name in ("dino", "mae")}
    assert all(entry["lost"]["count"] == 0 for entry in report["attempts"]["entries"])
    other = subprocess.run([*command, "--seed", "1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert other.returncode == 3
    assert other.stderr == (
        f"error: {tmp_path}/run/run.json: --join: expected a run of the same request, got another seeds: "
        "ask for the same, or choose another folder (--run)\n"
    )


@pytest.mark.slow
def test_a_group_that_another_run_has_begun_is_left_to_it_and_measured_here_when_that_one_dies(
    drawn_cifar10: Path, tmp_path: Path
) -> None:
    run, trials = tmp_path / "run", [f"object_retrieval/cifar10/{name}" for name in ("dino", "mae")]
    places = ["--run", str(run), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache"), "--limit", "200"]
    command = [sys.executable, "-m", "suite", "reproduce", *ASKED, *places, "--encoder", "dino,mae", "--join"]
    with holding(lock_of(run, [trials[0]])) as other:
        joined = subprocess.Popen(
            [*command, "--workers", "1", "--runtime", "venv"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert joined.stderr is not None
        line = next(line for line in joined.stderr if "waited for" in line)
        assert re.search(rf"{trials[0]}: process {other.pid} on .+ is at it; its result is waited for\n$", line)
        deadline = time.monotonic() + 300
        while not (run / "cells" / f"{trials[1]}.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert joined.poll() is None
        assert not (run / "cells" / f"{trials[0]}.json").exists()
        kill(other)
        joined.communicate(timeout=300)
    assert joined.returncode == 0
    (attempt,) = json.loads((run / "report.json").read_text())["attempts"]["entries"]
    assert attempt["measured"]["names"] == trials
