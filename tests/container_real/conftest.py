"""The container for real, and never skipped: a Docker daemon of its own and an image built without a registry.

    [STANDIN_BASE=FILE.tar] [AFTER=FILE] pytest -v -rP tests/container_real [--reference RUN] [--narrow OPTIONS]

Needs root on Debian or Ubuntu, a package index, 20 GB of disk; fails where it cannot run, and leaves neither container,
mount, file nor network rule behind, also when a test fails, after Ctrl-C or SIGTERM. All files are below TMPDIR
(default: /var/tmp).

FILE.tar is what .ci/standin-base made, which is called where it is missing. The study, which needs every processor,
begins when AFTER exists.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from tests.support.commands import last_lines, run
from tests.support.container_image import BASE, USER, build
from tests.support.docker_daemon import Daemon, docker_daemon, stop_on_signals, work_folder

NEEDED_GB = 20
IMAGE = "part-aware-repro:test"
SHOWN_BYTES = 5e6
"""Size from which a layer is listed; docs/how-to/container.md has a table of them."""
PARENT = os.getppid()
LOG = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("the container for real")
    group.addoption(
        "--reference",
        type=Path,
        default=ROOT / "runs" / "mini",
        help="run of the same cells in the virtual environment; made where it is missing (default: runs/mini)",
    )
    group.addoption("--narrow", default="", help="options that narrow the study, e.g. '--experiment part_retrieval'")


def pytest_configure() -> None:
    stop_on_signals()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show beside a failure what the daemon said last."""
    report = yield
    log = item.config.stash.get(LOG, None)
    if report.failed and log is not None and log.exists():
        report.sections.append(("The Docker daemon's last words", last_lines(log.read_text())))
    return report


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """Return the folder of everything that is made here."""
    assert os.getuid() == 0, f"expected root, to start a Docker daemon; got user {os.getuid()}"
    parent = Path(os.environ.get("TMPDIR") or "/var/tmp")
    free_gb = shutil.disk_usage(parent).free / 1e9
    assert free_gb >= NEEDED_GB, f"{parent}: expected {NEEDED_GB} GB free, found {free_gb:.1f}"
    with work_folder(parent) as folder:
        yield folder


@pytest.fixture(scope="session")
def base(work: Path) -> Path:
    """Return the stand-in for the CUDA base image, a tar file; its script also installs what these tests need."""
    path = Path(os.environ.get("STANDIN_BASE") or work / "base.tar")
    if not path.is_file():
        done = run([ROOT / ".ci" / "standin-base", path])
        assert done.returncode == 0, last_lines(done.stderr)
    return path


@pytest.fixture(scope="session")
def daemon(work: Path, base: Path, pytestconfig: pytest.Config) -> Iterator[Daemon]:
    """Return the daemon, which the suite finds by DOCKER_HOST."""
    pytestconfig.stash[LOG] = work / "log"
    with docker_daemon(work) as daemon, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", daemon.address)
        daemon.client.api.import_image_from_file(str(base), *BASE.split(":"))
        yield daemon


@pytest.fixture(autouse=True)
def _no_container_left(daemon: Daemon) -> Iterator[None]:
    yield
    containers = daemon.containers()
    daemon.remove_containers()
    assert containers == []


@pytest.fixture(scope="session")
def image(daemon: Daemon) -> str:
    """Return the name of the image, built from nothing."""
    start = time.monotonic()
    done = build(IMAGE)
    assert done.returncode == 0, last_lines(done.stderr)
    print(f"the build: {time.monotonic() - start:.0f} s, {daemon.disk.stat().st_blocks * 512 / 1e9:.1f} GB of disk")
    built = daemon.client.images.get(IMAGE)
    print(f"the image: {built.attrs['Size'] / 1e9:.2f} GB")
    for layer in built.history():
        if layer["Size"] >= SHOWN_BYTES:
            print(f"{layer['Size'] / 1e9:8.2f} GB  {' '.join(layer['CreatedBy'].split())[:100]}")
    return IMAGE


@pytest.fixture(scope="session")
def home(work: Path) -> Path:
    """Return a folder that belongs to the ordinary user."""
    folder = work / "user"
    folder.mkdir()
    os.chown(folder, USER, USER)
    return folder


@pytest.fixture(scope="session")
def narrowed(pytestconfig: pytest.Config) -> list[str]:
    """Return the options that narrow the study."""
    return shlex.split(pytestconfig.getoption("--narrow"))


@pytest.fixture(scope="session")
def free_processors() -> None:
    """Wait for the file AFTER, by which whoever runs something beside these tests says that it is done."""
    after = os.environ.get("AFTER")
    while after and not Path(after).exists():
        assert os.getppid() == PARENT, f"who would have made {after} is gone"
        time.sleep(1)
