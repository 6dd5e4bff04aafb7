"""These tests leave nothing behind, however they end: tried on tests of their own, in the middle of a build."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import psutil
import pytest

from suite.core.paths import ROOT
from tests.support.commands import environment, last_lines, stop
from tests.support.container_image import BASE
from tests.support.docker_daemon import mount_points

BUILD_BEGINS_S = 120
CLEAN_UP_S = 120


@contextmanager
def running_tests(folder: Path, base: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Start them with all their files in a folder; their parent ignores Ctrl-C, as for a shell's background jobs."""
    file = ROOT / "tests" / "container_real" / "test_build.py"
    command = ["env", "--ignore-signal=INT", sys.executable, "-m", "pytest", file]
    variables = environment(TMPDIR=str(folder), STANDIN_BASE=str(base))
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=output, stderr=output, text=True, start_new_session=True
        )
        try:
            yield process
        finally:
            stop(process)


def builder_of(tests: subprocess.Popen[str], log: Path) -> psutil.Process:
    """Wait until they build, and return the process of `docker build`."""
    end = time.monotonic() + BUILD_BEGINS_S
    while tests.poll() is None and time.monotonic() < end:
        for process in psutil.Process(tests.pid).children(recursive=True):
            try:
                if process.cmdline()[1:3] == ["build", "--progress=plain"]:
                    return process
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.2)
    pytest.fail(f"expected a build within {BUILD_BEGINS_S} s; exit code {tests.poll()}: {log.read_text()}")


def commands_with(word: str) -> list[list[str]]:
    """Return the command lines of running processes that have a word in them."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if word in " ".join(line)]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param("interrupted", pytest.ExitCode.INTERRUPTED, id="Ctrl-C"),
        pytest.param("terminated", pytest.ExitCode.INTERRUPTED, id="SIGTERM"),
        pytest.param("failed", pytest.ExitCode.TESTS_FAILED, id="failed build"),
    ],
)
def test_broken_off_they_leave_no_file_mount_or_process(work: Path, base: Path, end: str, code: int) -> None:
    folder, log = work / end, work / f"{end}.log"
    folder.mkdir()
    with running_tests(folder, base, log) as tests:
        builder = builder_of(tests, log)
        (socket,) = folder.glob("*/socket")
        with closing(docker.DockerClient(base_url=f"unix://{socket}")) as client:
            client.containers.run(BASE, ["sleep", "600"], detach=True, network_mode="none")
        assert mount_points(folder)
        assert commands_with(str(folder))
        if end == "failed":
            builder.kill()
        else:
            tests.send_signal({"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}[end])
        exit_code = tests.wait(CLEAN_UP_S)
    assert exit_code == code, last_lines(log.read_text())
    assert list(folder.iterdir()) == []
    assert mount_points(folder) == []
    assert commands_with(str(folder)) == []
