"""A Docker daemon of its own: no bridge, no firewall rules, its data in one file; nothing of it stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import docker
import psutil
import requests

from tests.support.commands import last_lines

START_S = 30
STOP_S = 120


@dataclass(frozen=True)
class Daemon:
    """A daemon that answers.

    Attributes:
        folder: all its files.
        client: connected to it.
    """

    folder: Path
    client: docker.DockerClient

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def disk(self) -> Path:
        """The one file that holds the data."""
        return self.folder / "disk"

    def containers(self) -> list[str]:
        return [f"{container.name}: {container.status}" for container in self.client.containers.list(all=True)]

    def remove_containers(self) -> None:
        for container in self.client.containers.list(all=True):
            container.remove(force=True)


def stop_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end the tests with their clean-up, also where the parent ignores them.

    A shell starts its background jobs with Ctrl-C ignored, and pytest would die of SIGTERM at once.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def ignore_signals() -> None:
    """Go on to the end from here: a clean-up that is broken off leaves mounts behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that everybody may enter; in the end unmount what is mounted in it, and remove it."""
    # short: the path of a socket has 107 characters at most
    folder = Path(tempfile.mkdtemp(prefix="container.", dir=parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        ignore_signals()
        for point in sorted(mount_points(folder), reverse=True):
            subprocess.run(["umount", point], check=True)
        shutil.rmtree(folder)


def mount_points(folder: Path) -> list[Path]:
    """Return what is mounted anywhere below a folder."""
    points = [Path(partition.mountpoint) for partition in psutil.disk_partitions(all=True)]
    return [point for point in points if point.is_relative_to(folder)]


@contextmanager
def docker_daemon(folder: Path) -> Iterator[Daemon]:
    """Start a daemon in this folder, which everybody may talk to; in the end remove its containers and stop it.

    Raises:
        RuntimeError: it did not start, or did not stop.
    """
    data, log = folder / "data", folder / "log"
    _mount_disk(folder / "disk", data)
    address = f"unix://{folder / 'socket'}"
    where = [f"--data-root={data}", f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}"]
    closed = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    # it ends with these tests even if they are killed, but not by a Ctrl-C that means them: they clean up first
    command = ["setpriv", "--pdeathsig=TERM", "dockerd", f"--host={address}", "--storage-driver=overlay2"]
    with ExitStack() as clean_up:
        output = clean_up.enter_context(log.open("w"))
        process = subprocess.Popen([*command, *where, *closed], stdout=output, stderr=output, start_new_session=True)
        clean_up.callback(_stop, process)
        client = _connect(process, address, log)
        daemon = Daemon(folder, client)
        clean_up.callback(_leave, daemon)
        daemon.socket.chmod(0o666)
        yield daemon


def _mount_disk(disk: Path, data: Path) -> None:
    """Mount a file as a disk of 40 GB: removing 6 GB of small files takes minutes, one file does not."""
    with disk.open("w") as file:
        file.truncate(40 << 30)
    options = ["-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard"]
    subprocess.run(["mkfs.ext4", "-q", *options, disk], check=True)
    data.mkdir()
    subprocess.run(["mount", "-o", "loop,noatime,nodiscard", disk, data], check=True)


def _connect(process: subprocess.Popen[bytes], address: str, log: Path) -> docker.DockerClient:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(docker.errors.DockerException):
            return docker.DockerClient(base_url=address, timeout=600)
        time.sleep(0.2)
    raise RuntimeError(f"the Docker daemon did not start: {last_lines(log.read_text())}")


def _leave(daemon: Daemon) -> None:
    ignore_signals()
    # the daemon may be gone, or be removing one itself
    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        daemon.remove_containers()
    daemon.client.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    ignore_signals()
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise RuntimeError(f"the Docker daemon did not stop within {STOP_S} s, and was killed") from None
