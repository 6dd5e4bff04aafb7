"""`make doctor` has a line for each thing that a machine may lack, before set-up, and never waits for long."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from suite.cli import doctor
from suite.cli.doctor import Line
from suite.core.paths import ROOT
from tests.support.nvidia_machine import nvidia_machine


def stands_in(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Let a program of this name, before all others, be this script."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_it_needs_nothing_but_python() -> None:
    loads = (
        "import sys, suite.cli.doctor; names = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(names - {'suite', '__main__'} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", loads], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_make_calls_it_on_the_python_that_setup_would_take() -> None:
    command = ["make", "--no-print-directory", "-n", "doctor", "PYTHON=some-python"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "env -u PYTHONPATH some-python -s -m suite.cli.doctor"
    command = [*command[:2], "doctor", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stdout == "false is not Python 3.11 to 3.13; pass PYTHON=python3.11\n"


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("missing", 2)])
def test_a_line_each_and_2_only_where_nothing_can_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: str, code: int
) -> None:
    assert [*doctor.QUESTIONS] == ["Python", "disk", "make", "package index", "Docker", "GPU", "driver"]
    questions = {"Python": lambda: Line(status, "3.11.7"), "GPU": lambda: Line("missing", "no card")}  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "QUESTIONS", questions)
    assert doctor.main() == code
    assert capsys.readouterr().out == f"Python         {status:<8} 3.11.7\nGPU            missing  no card\n"


def test_what_hangs_or_fails_is_a_line_too() -> None:
    begin = time.monotonic()
    questions = {"slow": lambda: time.sleep(20), "broken": lambda: 1 / 0, "well": lambda: Line("ok", "there")}
    lines = doctor.examine(questions, limit_s=0.3)  # type: ignore[arg-type]
    assert time.monotonic() - begin < 10
    assert lines == {
        "slow": Line("warning", "no answer in 0.3 s"),
        "broken": Line("warning", "cannot be told: ZeroDivisionError: division by zero"),
        "well": Line("ok", "there"),
    }


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 4))
    assert doctor.python() == Line("ok", "3.12.4")
    monkeypatch.setattr(doctor, "find_spec", lambda _name: None)
    expected = "3.12.4 without venv: apt-get install python3-venv, or alike; needed for everything"
    assert doctor.python() == Line("missing", expected)


@pytest.mark.parametrize(
    ("free", "installed", "line"),
    [
        (50, False, Line("ok", "50 GB free in {}")),
        (9, False, Line("warning", "9 GB free in {}: expected 12 GB; needed for make image alone")),
        (3, True, Line("warning", "3 GB free in {}: expected 12 GB; needed for make image alone")),
        (3, False, Line("missing", "3 GB free in {}: expected 7 GB; needed for make setup")),
    ],
)
def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, installed: bool, line: Line) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free * 10**9))
    if installed:
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / ".installed").touch()
    assert doctor.disk(tmp_path) == line._replace(text=line.text.format(tmp_path))


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo GNU Make 4.3; echo Built for", Line("ok", "GNU Make 4.3")),
        ("echo GNU Make 3.81", Line("warning", "GNU Make 3.81: expected 3.82 or newer")),
        (
            "echo usage; exit 2",
            Line("missing", "no GNU Make; needed for make setup and all else that begins with make"),
        ),
    ],
)
def test_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, line: Line) -> None:
    stands_in(tmp_path, monkeypatch, "make", script)
    assert doctor.make() == line


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("print('pytest (9.2.0)')", Line("ok", "pip finds pytest")),
        (
            "import sys; print('WARNING: x'); sys.exit('ERROR: No matching distribution found for pytest')",
            Line(
                "missing",
                "pip cannot find pytest: ERROR: No matching distribution found for pytest: see pip config list; "
                "needed for make setup",
            ),
        ),
        (
            "import time; time.sleep(20)",
            Line("missing", "pip cannot find pytest: TimeoutExpired: see pip config list; needed for make setup"),
        ),
    ],
    ids=["there", "none", "silent"],
)
def test_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, line: Line) -> None:
    (tmp_path / "pip.py").write_text(script)
    monkeypatch.setattr(doctor, "_pip", lambda: (str(tmp_path / "pip.py"),))
    monkeypatch.setattr(doctor, "LIMIT_S", 2.0)
    assert doctor.index() == line


def test_a_python_without_pip_asks_the_pip_that_its_environments_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_bundled").mkdir()
    (tmp_path / "_bundled" / "pip-24.0-py3-none-any.whl").touch()
    specs = {"ensurepip": SimpleNamespace(origin=str(tmp_path / "__init__.py"))}
    monkeypatch.setattr(doctor, "find_spec", specs.get)
    assert doctor._pip() == (str(tmp_path / "_bundled" / "pip-24.0-py3-none-any.whl" / "pip"),)
    specs.clear()
    assert doctor.index() == Line("warning", "not asked: this Python has no pip yet; needed for make setup")


def test_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", host)
    expected = (
        f"no Docker daemon at {host} (No such file or directory): start it, set DOCKER_HOST, or pass RUNTIME=venv; "
        "needed for make image and RUNTIME=container"
    )
    assert doctor.docker() == Line("missing", expected)
    monkeypatch.setattr(doctor.engine, "knock", lambda _host: None)
    assert doctor.docker() == Line("ok", host)
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2376")
    expected = "tcp://far:2376: not asked; needed for make image and RUNTIME=container"
    assert doctor.docker() == Line("warning", expected)


def test_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_machine(tmp_path, monkeypatch)
    needed = "needed for PROFILE=paper, not for the mini study"
    assert doctor.gpu() == Line("missing", f"no NVIDIA GPU on this machine; {needed}")
    assert doctor.driver() == Line("missing", "no NVIDIA driver; 580 or newer is needed for a GPU")


def test_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = nvidia_machine(tmp_path, monkeypatch)
    machine.has({}, {"index": "1"})
    assert doctor.gpu() == Line("ok", "NVIDIA H200, 143771 MiB; NVIDIA H200, 143771 MiB")
    assert doctor.driver() == Line("ok", "580.95.05")


def test_an_old_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = nvidia_machine(tmp_path, monkeypatch)
    machine.has({"driver": "535.1.2"}, version="535.1.2")
    assert doctor.driver() == Line("warning", "535.1.2: install NVIDIA's driver 580 or newer; needed for CUDA 13")
    assert doctor.gpu().text.startswith("the NVIDIA driver is too old: expected 580 or newer, for CUDA 13, got 535.1.2")
