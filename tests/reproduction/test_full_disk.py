"""A disk that fills at any moment of a run: one line and exit code 3, and with room again the run goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.cli.main import main

pytestmark = [
    pytest.mark.usefixtures("nothing_drawn_or_loaded"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


def mount(folder: Path, kib: int, *options: str) -> None:
    settings = ",".join([*options, f"size={kib}k"])
    command = ["mount", "-t", "tmpfs", "-o", settings, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on which a test mounts a disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("kib", [4, 40, 160, 700, 1300])
def test_a_disk_that_fills_is_one_line_and_no_verdict(
    disk: Path, drawn_cifar10: Path, tmp_path: Path, kib: int, capsys: pytest.CaptureFixture
) -> None:
    mount(disk, kib)
    selection = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "mae", "--device", "cpu"]
    places = ["--run", str(disk / "run"), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache")]
    command = ["reproduce", "--runtime", "venv", *selection, *places]
    code = main(command)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "fault of the suite" not in err
    last = err.replace("\r", "\n").strip().splitlines()[-1]
    assert code == 3, last
    assert last.startswith(f"error: {disk}")
    assert "No space left on device" in last
    mount(disk, 64 * 1024, "remount")
    assert main(command) == 0
