"""Run a verb in the image: no network, no capability, nothing writable but what it is given."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.container.engine import explained
from suite.container.image import LABEL, Image
from suite.container.mounts import Mount, python_path
from suite.core.environment import THREAD_VARIABLES
from suite.core.faults import FOLDER
from suite.errors import ContainerError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
"""Variables by which the caller grants GPUs: all are handed over, so numbers and UUIDs mean the same inside."""
KERNELS = "/var/cache/triton"
"""Place from which the libraries that Triton compiles are loaded; the Dockerfile names it to Triton."""
GRACE_S = 30
"""Time to judge what has finished and write the report after Ctrl-C."""


@dataclass(frozen=True)
class Setup:
    """A container that can be started.

    Attributes:
        user: uid and gid of its processes.
        gpu: hand it every GPU.
        cdi: the daemon knows them by the container device interface alone, which is asked for by another name.
        read_only: its root cannot be written to; an NVIDIA hook may need that off.
        podman: the daemon is Podman's, which takes no owner of a place in memory.
    """

    client: DockerClient
    image: Image
    mounts: Sequence[Mount]
    user: tuple[int, int]
    gpu: bool = False
    cdi: bool = False
    read_only: bool = True
    podman: bool = False


def run_in_container(setup: Setup, arguments: Sequence[str]) -> int:
    """Run `python -m suite <arguments>` in the container; its output is passed on as it comes.

    Returns:
        The exit code of the suite inside. After Ctrl-C it stops, judges what has finished, and answers 130.

    Raises:
        ContainerError: it cannot be started, or ran out of memory.
    """
    with _terminable():
        with explained("creating the container"):
            container = setup.client.containers.create(**options(setup, arguments))
        try:
            with explained("starting the container"):
                output = threading.Thread(target=_pass_on, args=[_streams(container)], daemon=True)
                container.start()
            output.start()
            code = _wait(container)
            output.join(GRACE_S)
            with explained("reading the container's end"):
                container.reload()
            if container.attrs["State"].get("OOMKilled"):
                raise ContainerError("the container ran out of memory: pass WORKERS=1, or give Docker more")
            return code
        finally:
            with suppress(ContainerError), explained("removing the container"):
                container.remove(force=True)


def options(setup: Setup, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what Docker is asked for; docs/how-to/container.md says why of each."""
    from docker.types import DeviceRequest
    from docker.types import Mount as Bind

    every_gpu = (
        DeviceRequest(driver="cdi", device_ids=["nvidia.com/gpu=all"])
        if setup.cdi
        else DeviceRequest(count=-1, capabilities=[["gpu"]])
    )
    return {
        "image": setup.image.id,
        "command": list(arguments),
        "user": ":".join(map(str, setup.user)),
        "environment": environment(setup.image) | faults(setup.mounts) | python_path(setup.mounts),
        "mounts": [Bind(str(m.target), str(m.source), type="bind", read_only=not m.writable) for m in setup.mounts],
        "tmpfs": tmpfs(setup.user, owned=not setup.podman),
        "read_only": setup.read_only,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "init": True,
        # every process of a run starts a thread per core: less is too little on a large machine
        "pids_limit": 16384,
        "shm_size": "1g",
        # PyTorch's start every ten minutes would show in the measured times
        "healthcheck": {"test": ["NONE"]},
        "device_requests": [every_gpu] if setup.gpu else [],
        "labels": {f"{LABEL}.run": str(os.getpid())},
    }


def tmpfs(user: tuple[int, int], *, owned: bool = True) -> dict[str, str]:
    """Return the places in memory: from /tmp nothing can be executed, and into the other nobody else can write.

    Args:
        user: uid and gid of the container's processes.
        owned: the other belongs to them; else it is everybody's, of whom there is nobody else in the container.
    """
    uid, gid = user
    owner = f"mode=0700,uid={uid},gid={gid}" if owned else "mode=1777"
    return {
        "/tmp": "rw,noexec,nosuid,nodev,size=1g,mode=1777",
        KERNELS: f"rw,exec,nosuid,nodev,size=256m,{owner}",
    }


def environment(image: Image) -> dict[str, str]:
    """Return what the suite inside records of its image, the caller's thread settings, and the GPUs it may use."""
    size = shutil.get_terminal_size()
    passed_on = {name: os.environ[name] for name in (*THREAD_VARIABLES, *GPU_VARIABLES) if name in os.environ}
    return passed_on | {
        "SUITE_IMAGE": image.pulled_from or image.name,
        "SUITE_IMAGE_DIGEST": image.id,
        "COLUMNS": str(size.columns),
        "LINES": str(size.lines),
    }


def faults(mounts: Iterable[Mount]) -> dict[str, str]:
    """Return where a traceback goes: a folder that is still there when the container is gone."""
    folders = [str(mount.target) for mount in mounts if mount.writable]
    return {FOLDER: folders[0]} if folders else {}


Chunks = Iterable[tuple[bytes | None, bytes | None]]


def _streams(container: Container) -> Chunks:
    return container.attach(stdout=True, stderr=True, stream=True, logs=True, demux=True)


def _pass_on(chunks: Chunks) -> None:
    streams = (sys.stdout, sys.stderr)
    decoders = [codecs.getincrementaldecoder("utf-8")(errors="replace") for _ in streams]
    # the daemon may go away; how the container ended is asked elsewhere
    with suppress(OSError):
        for chunk in chunks:
            for part, stream, decoder in zip(chunk, streams, decoders, strict=True):
                if part:
                    stream.write(decoder.decode(part))
                    stream.flush()


def _wait(container: Container) -> int:
    try:
        with explained("waiting for the container"):
            return int(container.wait()["StatusCode"])
    except KeyboardInterrupt:
        print("\nstopping the container; what had finished is kept", file=sys.stderr)
        with explained("stopping the container"):
            container.stop(timeout=GRACE_S)
            return int(container.wait()["StatusCode"])


@contextmanager
def _terminable() -> Iterator[None]:
    """End the container too on SIGTERM, as a CI system sends it, like on Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
