"""`pytest checks` on data: red for what is wrong, never green for what is missing, and its outcome in a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from suite.verification import record
from tests.support.lookalikes import write_cifar10


def check(data: Path, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "checks/test_data.py", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*command, "--dataset=cifar10", f"--data={data}", *more], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_missing_data_are_skipped_with_the_reason_and_exit_code_2(tmp_path: Path) -> None:
    done = check(tmp_path / "nowhere", f"--outcome={tmp_path / 'v.json'}")
    assert done.returncode == 2, done.stdout
    assert "passed" not in done.stdout
    assert "cifar10 drawings, digests, splits: missing: " in done.stdout
    assert "expected the folder of CIFAR-10, found nothing" in done.stdout
    (subject,) = record.read(tmp_path / "v.json")["subjects"].values()
    assert {entry["status"] for entry in subject["checks"]} == {"missing"}
    assert subject["digest"] is None


def test_wrong_data_are_red_and_the_rest_is_green(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar10")
    done = check(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "expected SHA-256 ede8b559e8ed of all files" in done.stdout, "a look-alike is not the recorded drawing"
    assert "1 failed, 2 passed" in done.stdout


@pytest.mark.parametrize("wrong", ["--profile=big", "--dataset=mnist", "--sample=0", "--seed=-1", "--data="])
def test_a_wrong_request_is_one_line_and_exit_code_3(tmp_path: Path, wrong: str) -> None:
    done = check(tmp_path, wrong)
    assert done.returncode == 3, done.stdout
    assert "error: " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
