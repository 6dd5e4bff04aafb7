"""The mini study in the container, run by an ordinary user, who draws the data first; then again; then stopped."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from tests.support.commands import environment, last_lines, run, stop, suite
from tests.support.container_image import AS_USER, USER
from tests.support.docker_daemon import Daemon

CGROUPS = Path("/sys/fs/cgroup")
STATISTICS = ("memory/docker/*/memory.stat", "docker/*/memory.stat", "system.slice/docker-*.scope/memory.stat")
"""Where the kernel counts a container's memory: version 1, version 2, version 2 under systemd."""
FIRST_RESULT_S = 300
STOP_S = 120


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Sample the bytes that containers hold, once a second, without the page cache, which the kernel takes back."""
    peak, ended = [0], threading.Event()

    def sample() -> None:
        while not ended.wait(1):
            for path in (path for pattern in STATISTICS for path in CGROUPS.glob(pattern)):
                try:
                    text = path.read_text()
                except OSError:  # the container has ended
                    continue
                sizes = re.findall(r"^(?:total_rss|anon) (\d+)$", text, flags=re.MULTILINE)
                peak[0] = max(peak[0], *map(int, sizes))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def results(run: Path) -> list[Path]:
    return sorted((run / "cells").rglob("*.json"))


@pytest.fixture(scope="module")
def request_of_the_user(image: str, home: Path, narrowed: list[str]) -> list[str]:
    """Return the arguments of a study in the container, without its run folder and cache."""
    return ["reproduce", "--runtime", "container", "--image", image, "--data", str(home / "data"), *narrowed]


@pytest.fixture(scope="module")
def places(home: Path) -> list[str]:
    """Return the run folder and the cache, as arguments."""
    return ["--run", str(home / "run"), "--cache", str(home / "cache")]


@pytest.fixture(scope="module")
def study(daemon: Daemon, home: Path, request_of_the_user: list[str], places: list[str], free_processors: None) -> Path:
    """Return the run folder of the study."""
    start = time.monotonic()
    with peak_memory() as peak:
        done = suite(*request_of_the_user, *places, prefix=AS_USER)
    print(f"the run: {time.monotonic() - start:.0f} s, peak memory {peak[0] / 1e6:.0f} MB")
    assert done.returncode == 0, last_lines(done.stderr)
    assert daemon.containers() == []
    return home / "run"


@pytest.fixture(scope="module")
def reference(study: Path, home: Path, work: Path, narrowed: list[str], pytestconfig: pytest.Config) -> Path:
    """Return the run of the same cells in the virtual environment, made where it is missing."""
    path: Path = pytestconfig.getoption("--reference")
    if not (path / "run.json").is_file():
        places = ["--run", path, "--cache", work / "cache", "--data", home / "data"]
        done = suite("reproduce", "--runtime", "venv", *places, *narrowed)
        assert done.returncode == 0, last_lines(done.stderr)
    return path


def test_every_file_of_the_run_is_the_callers(study: Path, home: Path) -> None:
    assert results(study)
    others = [path for path in (home, *home.rglob("*")) if path.lstat().st_uid != USER]
    assert others == []


def test_the_run_records_the_image_that_it_was_made_in(daemon: Daemon, study: Path, image: str) -> None:
    container = json.loads((study / "report.json").read_text())["environment"]["container"]
    recorded = {name: container[name] for name in ("runtime", "image_digest")}
    assert recorded == {"runtime": "container", "image_digest": daemon.client.images.get(image).id}


def test_every_cell_has_the_bits_that_it_has_in_the_virtual_environment(study: Path, reference: Path) -> None:
    done = run([sys.executable, ROOT / ".ci" / "same_cells.py", study, reference])
    print(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_command_again_reuses_every_result(
    study: Path, request_of_the_user: list[str], places: list[str]
) -> None:
    done = suite(*request_of_the_user, *places, prefix=AS_USER)
    assert done.returncode == 0, last_lines(done.stderr)
    assert len(json.loads((study / "run.json").read_text())["reused"]) == len(results(study))


@pytest.mark.usefixtures("study")  # it drew the data
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_stopped_halfway_it_leaves_finished_results_and_a_report_but_no_container(
    daemon: Daemon, work: Path, home: Path, request_of_the_user: list[str], number: signal.Signals
) -> None:
    # retrieval only, whose first result comes soonest
    request = [*request_of_the_user, "--experiment", "object_retrieval,part_retrieval"]
    places = ["--run", str(home / number.name), "--cache", str(home / f"{number.name}.cache")]
    # whoever started these tests may ignore the signals, and the child would inherit that
    command = ["env", "--default-signal=INT,TERM", *AS_USER, sys.executable, "-m", "suite", *request, *places]
    log = work / f"{number.name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=output, stderr=output, text=True, start_new_session=True
        )
        try:
            end = time.monotonic() + FIRST_RESULT_S
            while not results(home / number.name) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.5)
            process.send_signal(number)
            code = process.wait(STOP_S)
        finally:
            stop(process)
    assert code == 130, last_lines(log.read_text())
    assert daemon.containers() == []
    finished = results(home / number.name)
    assert finished
    assert (home / number.name / "report.html").stat().st_size > 0
    print(f"{number.name}: {len(finished)} results kept")
