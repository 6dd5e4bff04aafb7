"""Two `make` at once set up one environment once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from suite.core.paths import ROOT

PYTHON = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
*find_spec*) echo whole;;
*"-m venv "*) sleep 1; for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python";;
esac
"""
"""A stand-in that notes what it is asked for, and makes an environment of itself, which is whole."""


@pytest.mark.skipif(not shutil.which("flock"), reason="the Makefile locks with util-linux's flock")
def test_the_second_waits_and_finds_it_installed(tmp_path: Path) -> None:
    python, log = tmp_path / "python", tmp_path / "log"
    python.write_text(PYTHON.format(log=log))
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "setup", f"PYTHON={python}", f"VENV={tmp_path}/venv"]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    texts = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert sum("-m venv " in line for line in log.read_text().splitlines()) == 1
    assert sum("-m pip install " in line for line in log.read_text().splitlines()) == 1
    assert sorted(err for _, err in texts) == ["", f"{tmp_path}/venv: another make installs into it; waiting\n"], texts
