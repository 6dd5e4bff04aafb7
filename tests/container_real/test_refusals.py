"""Whatever can be wrong with Docker, the image or the folders is said in one line, and leaves no container."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import last_lines, suite
from tests.support.container_image import AS_USER, BASE
from tests.support.docker_daemon import Daemon

MISSING = "part-aware-repro:none"
"""Image that nobody builds."""

Reproduce = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(work: Path, request: pytest.FixtureRequest) -> Path:
    """Return a folder of the test's own, which root owns."""
    folder = work / request.node.name
    folder.mkdir()
    return folder


@pytest.fixture
def reproduce(image: str, folder: Path) -> Reproduce:
    """Return a call of the smallest study, with further options."""
    container = ["--runtime", "container", "--image", image]
    cells = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "dino"]
    places = ["--data", folder / "data", "--cache", folder / "cache", "--run", folder / "run"]

    def reproduce(*options: str | Path) -> subprocess.CompletedProcess[str]:
        return suite("reproduce", *container, *cells, *places, *options)

    return reproduce


@pytest.fixture
def full_disk(daemon: Daemon) -> Iterator[None]:
    """Leave the daemon half a gigabyte."""
    filler = daemon.data / "filler"
    status = os.statvfs(daemon.data)
    try:
        with filler.open("w") as file:
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - 500_000_000)
        yield
    finally:
        filler.unlink()


@pytest.fixture
def closed_socket(daemon: Daemon) -> Iterator[None]:
    """Let only root talk to the daemon."""
    daemon.socket.chmod(0o600)
    yield
    daemon.socket.chmod(0o666)


def assert_refused(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """Assert this exit code, and a last line that is an error with these words."""
    print(last_lines(done.stderr, 1))
    assert done.returncode == code, last_lines(done.stderr)
    assert last_lines(done.stderr, 1).startswith("error: ")
    assert words in last_lines(done.stderr, 1)


def test_an_unknown_encoder_is_a_wrong_request(reproduce: Reproduce) -> None:
    assert_refused(reproduce("--encoder", "dinov9"), 3, "unknown encoder 'dinov9'")


def test_a_gpu_where_docker_has_no_nvidia_runtime_is_refused(reproduce: Reproduce) -> None:
    assert_refused(reproduce("--device", "cuda"), 2, "Docker has no NVIDIA runtime")


@pytest.mark.usefixtures("daemon")
def test_an_image_that_was_not_built_is_refused_with_the_command_that_builds_it() -> None:
    assert_refused(suite("reproduce", "--runtime", "container", "--image", MISSING), 2, "make image")


def test_a_run_folder_that_would_hide_the_source_is_refused(reproduce: Reproduce) -> None:
    assert_refused(reproduce("--run", "."), 2, "would hide the container's")


def test_a_run_folder_that_the_containers_user_may_not_write_to_is_refused(reproduce: Reproduce, folder: Path) -> None:
    (folder / "roots").mkdir()
    assert_refused(reproduce("--run", folder / "roots"), 2, "may not write there")


def test_no_daemon_at_the_address_is_refused(folder: Path) -> None:
    address = f"unix://{folder / 'none'}"
    done = suite("reproduce", "--runtime", "container", variables={"DOCKER_HOST": address})
    assert_refused(done, 2, f"no Docker daemon at {address}")


@pytest.mark.usefixtures("closed_socket")
def test_a_user_without_permission_for_the_daemon_is_refused() -> None:
    done = suite("reproduce", "--runtime", "container", prefix=AS_USER)
    assert_refused(done, 2, "no permission for the Docker daemon")


def test_a_base_image_out_of_reach_is_refused(image: str) -> None:
    base = f"registry.invalid/base@sha256:{'0' * 64}"
    assert_refused(suite("image", "build", "--image", image, "--base", base), 2, "the base image cannot be had")


def test_a_missing_pip_configuration_is_refused(image: str, folder: Path) -> None:
    path = folder / "packages.txt"
    done = suite("image", "build", "--image", image, "--pip-conf", path)
    assert_refused(done, 2, f"{path}: expected a file")


@pytest.mark.usefixtures("full_disk")
def test_too_little_disk_for_a_build_is_refused() -> None:
    assert_refused(suite("image", "build", "--image", MISSING, "--base", BASE), 2, "too little disk")
