"""Two `make` at once set up one environment once."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from tests.support.programs import until

PYTHON = """#!/bin/sh
echo "$*" >> {folder}/log
case "$*" in
*find_spec*) echo whole;;
*"-m venv "*)
  until test -e {folder}/go; do sleep 0.05; done
  for last; do :; done
  mkdir -p "$last/bin"; cp "$0" "$last/bin/python";;
esac
"""
"""A stand-in that notes what it is asked for, and makes an environment of itself, which is whole, once it may."""

FLOCK = """#!/bin/sh
{flock} "$@"; status=$?
echo "$*" >> {folder}/asked
sleep 1
exit $status
"""
"""util-linux's flock, slow to say what came of it: whoever asks first and takes afterwards meets another who did."""


def test_setup_and_image_compile_the_same_packages() -> None:
    """Where Python may not write what it compiles, each process would take seconds to do it anew."""
    texts = {name: (ROOT / name).read_text() for name in ("Makefile", "Dockerfile")}
    (in_setup,) = re.findall(r"^IMPORTED := (.*)$", texts["Makefile"], re.MULTILINE)
    assert f"-c 'import {in_setup}'" in texts["Dockerfile"]
    assert "-I -c 'import $(IMPORTED)'" in texts["Makefile"]


@pytest.mark.skipif(not shutil.which("flock"), reason="the Makefile locks with util-linux's flock")
def test_the_second_waits_and_finds_it_installed(tmp_path: Path) -> None:
    log, errors = tmp_path / "log", tmp_path / "errors"
    for name, text in (("python", PYTHON), ("flock", FLOCK)):
        (tmp_path / name).write_text(text.format(folder=tmp_path, flock=shutil.which("flock")))
        (tmp_path / name).chmod(0o755)
    command = ["make", "--no-print-directory", "setup", f"PYTHON={tmp_path}/python", f"VENV={tmp_path}/venv"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with errors.open("a") as stream:
        first = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
        until((tmp_path / "asked").exists)
        second = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
    until(lambda: errors.read_text() and "-m venv " in log.read_text())
    (tmp_path / "go").touch()
    assert [process.wait(timeout=60) for process in (first, second)] == [0, 0], errors.read_text()
    assert errors.read_text() == f"{tmp_path}/venv: another make installs into it; waiting\n"
    assert sum("-m venv " in line for line in log.read_text().splitlines()) == 1
    assert sum("-m pip install " in line for line in log.read_text().splitlines()) == 1


@pytest.mark.parametrize(("watched", "goal"), [(True, "setup"), (False, "setup"), (False, "reproduce")])
def test_pip_shows_its_progress_where_somebody_watches(tmp_path: Path, watched: bool, goal: str) -> None:
    (tmp_path / "python").write_text(PYTHON.format(folder=tmp_path))
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "go").touch()
    command = ["make", "--no-print-directory", goal, f"PYTHON={tmp_path}/python", f"VENV={tmp_path}/venv"]
    far, near = pty.openpty() if watched else os.pipe()
    subprocess.run(command, cwd=ROOT, stdout=near, stderr=near, check=True)
    os.close(near)
    lines = os.read(far, 10_000).decode().splitlines()
    os.close(far)
    (line,) = (line for line in (tmp_path / "log").read_text().splitlines() if "-m pip install " in line)
    assert ("--quiet" in line) is not watched
    head = "[step 1 of 6] set-up, once: " if goal == "reproduce" else "set-up, once: "
    assert any(line.startswith(head) for line in lines)
