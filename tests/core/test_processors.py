"""Processors that may be used, counted in one place: affinity and quotas, not what the machine has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.core import processors
from suite.core.paths import ROOT, SUITE
from suite.core.processors import usable_processors


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's files, of our own; the process may run on 8 processors."""
    monkeypatch.setattr(processors, "PROC", tmp_path / "self")
    monkeypatch.setattr(processors, "MOUNT", tmp_path / "fs")
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)))
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("max 100000", 8),
        ("150000 100000", 2),
        ("200000 100000", 2),
        ("1000 100000", 1),
        ("9900000 100000", 8),
        ("0 100000", 1),
        ("", 8),
        ("x y", 8),
    ],
)
def test_a_quota_of_version_2_is_rounded_up_and_never_below_one(kernel: Path, quota: str, count: int) -> None:
    write(kernel / "self", "0::/a/b\n")
    write(kernel / "fs" / "a" / "b" / "cpu.max", f"{quota}\n")
    assert usable_processors() == count


def test_the_strictest_group_above_counts(kernel: Path) -> None:
    write(kernel / "self", "0::/a/b\n")
    write(kernel / "fs" / "a" / "b" / "cpu.max", "400000 100000\n")
    write(kernel / "fs" / "a" / "cpu.max", "250000 100000\n")
    assert usable_processors() == 3


@pytest.mark.parametrize("name", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("250000", 3)])
def test_version_1_has_two_files(kernel: Path, name: str, quota: str, count: int) -> None:
    write(kernel / "self", f"4:memory:/m\n2:{name}:/a\n0::/\n")
    write(kernel / "fs" / name / "a" / "cpu.cfs_quota_us", f"{quota}\n")
    write(kernel / "fs" / name / "a" / "cpu.cfs_period_us", "100000\n")
    assert usable_processors() == count


def test_a_container_that_sees_its_group_as_the_root_has_its_quota(kernel: Path) -> None:
    write(kernel / "self", "0::/docker/0123\n")
    write(kernel / "fs" / "cpu.max", "100000 100000\n")
    assert usable_processors() == 1


def test_without_groups_the_affinity_counts(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_processors() == 8
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {3})
    assert usable_processors() == 1


def test_a_run_that_is_bound_to_one_processor_starts_one_process() -> None:
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from suite.run.groups import processes_for
from suite.run.request import make_request
print(processes_for(make_request(device="cpu"), 64))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


@pytest.fixture
def quota_of_one() -> Iterator[Path]:
    """A control group of the machine's own, with a quota of one processor; processes join it by its `cgroup.procs`."""
    first, second = processors.MOUNT / "cpu", processors.MOUNT
    name = f"part-aware-repro-test-{os.getpid()}"
    root, files = (
        (first, {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"})
        if (first / "cpu.cfs_quota_us").exists()
        else (second, {"cpu.max": "100000 100000"})
    )
    group = root / name
    try:
        group.mkdir()
        for file, value in files.items():
            (group / file).write_text(value)
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group with a quota can be made here: {error}")
    yield group
    group.rmdir()


def test_a_run_under_a_quota_of_one_processor_starts_one_process(quota_of_one: Path) -> None:
    code = f"""
import os
from pathlib import Path
Path({str(quota_of_one / "cgroup.procs")!r}).write_text(str(os.getpid()))
from suite.run.groups import processes_for
from suite.run.request import make_request
print(processes_for(make_request(device="cpu"), 64))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


def test_nobody_counts_for_himself() -> None:
    counters = ("cpu_count", "sched_getaffinity", "ProcessPoolExecutor(None", "ProcessPoolExecutor()")
    allowed = {"core/processors.py", "core/environment.py"}  # the latter notes what the machine has
    files = {path.relative_to(SUITE).as_posix(): path.read_text() for path in SUITE.rglob("*.py")}
    assert {name for name, text in files.items() if any(counter in text for counter in counters)} <= allowed
