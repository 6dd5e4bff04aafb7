"""The Docker daemon: where it is, whether it has a GPU to give, and each of its complaints as one line."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from suite.core.nvidia import INSTALL, has_gpu
from suite.errors import ContainerError, RequestError

if TYPE_CHECKING:
    from docker import DockerClient

SOCKET = "unix:///var/run/docker.sock"
_CONFIGURE = "sudo nvidia-ctk runtime configure --runtime=docker, then restart Docker"


def address() -> str:
    """Return the address at which the daemon listens: `DOCKER_HOST`, else the usual socket."""
    return os.environ.get("DOCKER_HOST") or SOCKET


def check_address(host: str) -> None:
    """Refuse what is no address, as Docker's client reads them.

    Raises:
        RequestError: it cannot be parsed.
    """
    from docker.errors import DockerException
    from docker.utils import parse_host

    try:
        parse_host(host)
    except (DockerException, ValueError) as error:
        raise RequestError(
            f"DOCKER_HOST {host!r}: expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST ({_line(error)}): "
            "correct or unset it, or pass RUNTIME=venv"
        ) from error


def connect() -> DockerClient:
    """Return a client of a daemon that answers.

    Raises:
        ContainerError: there is none, or this user may not talk to it.
        RequestError: its address is none.
    """
    if address() != SOCKET:
        check_address(address())
    knock(address())
    with explained("connecting"):
        import docker

        return docker.from_env()


def knock(host: str) -> None:
    """Fail within milliseconds where nobody listens: importing the client alone takes 0.3 s.

    Raises:
        ContainerError: no such socket, nobody behind it, or no permission.
    """
    if not host.startswith("unix://"):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(5)
            door.connect(host.removeprefix("unix://"))
    except PermissionError as error:
        raise ContainerError(
            f"no permission for the Docker daemon at {host}: join the group docker (usermod -aG docker $USER, then "
            "log in again), or pass RUNTIME=venv"
        ) from error
    except OSError as error:
        raise ContainerError(
            f"no Docker daemon at {host} ({error.strerror or error}): start it, set DOCKER_HOST, or pass RUNTIME=venv"
        ) from error


@contextmanager
def explained(step: str) -> Iterator[None]:
    """Turn Docker's own errors within into `ContainerError`.

    Args:
        step: the step, for complaints that explain themselves.
    """
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        raise ContainerError(_advice(str(error.explanation or error), step)) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise ContainerError(f"{step}: the Docker daemon at {address()} does not answer: {_line(error)}") from error


def _advice(message: str, step: str) -> str:
    remedies = {
        "could not select device driver": "Docker has no NVIDIA runtime: install the NVIDIA Container Toolkit, "
        f"{_CONFIGURE}, or pass DEVICE=cpu",
        "unresolvable cdi devices": "the NVIDIA Container Toolkit has not described the GPUs to Docker: sudo "
        "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml, or pass DEVICE=cpu",
        "unsatisfied condition: cuda": f"the NVIDIA driver is too old: {INSTALL}, or pass DEVICE=cpu",
        "nvidia-container-cli": "the NVIDIA runtime cannot reach the GPU: check nvidia-smi, or pass DEVICE=cpu",
        "read-only file system": "the NVIDIA hook needs a writable root: pass --no-read-only (READ_ONLY=0)",
        "no space left on device": "too little disk: free space, e.g. with docker system prune",
    }
    advice = next((text for mark, text in remedies.items() if mark in message.lower()), "")
    return f"{step}: {advice + ': ' if advice else ''}{_line(message)}"


def _line(message: object) -> str:
    return " ".join(str(message).split())


def is_podman(version: Mapping[str, Any]) -> bool:
    """Return whether the daemon is Podman's service.

    Args:
        version: what `docker version` says.
    """
    return any(component.get("Name") == "Podman Engine" for component in version.get("Components") or [])


def can_give_gpu(info: Mapping[str, Any]) -> bool:
    """Return whether the daemon can hand a GPU to a container.

    Args:
        info: what `docker info` says.
    """
    return has_runtime(info) or has_cdi(info)


def has_runtime(info: Mapping[str, Any]) -> bool:
    """Return whether the daemon hands GPUs over by NVIDIA's runtime or its hook."""
    return "nvidia" in (info.get("Runtimes") or {}) or shutil.which("nvidia-container-runtime-hook") is not None


def has_cdi(info: Mapping[str, Any]) -> bool:
    """Return whether the daemon knows NVIDIA's GPUs by the container device interface (CDI)."""
    return any("nvidia.com/gpu" in device.get("ID", "") for device in info.get("DiscoveredDevices") or [])


def no_toolkit(info: Mapping[str, Any]) -> str:
    """Say why the daemon has no GPU to give, and what to do; empty where it has one."""
    if can_give_gpu(info):
        return ""
    if shutil.which("nvidia-ctk") is None:
        return f"Docker has no NVIDIA runtime: install the NVIDIA Container Toolkit, {_CONFIGURE}"
    return (
        f"the NVIDIA Container Toolkit is there, but Docker has neither its runtime nor its devices (CDI): {_CONFIGURE}"
    )


def toolkit() -> tuple[Literal["passed", "warning", "no reference"], str]:
    """Tell whether Docker can hand this machine's GPU to a container: the status of a check, and its sentence."""
    if not has_gpu():
        return "no reference", "no NVIDIA GPU on this machine"
    try:
        client = connect()
        with explained("docker info"):
            problem = no_toolkit(client.info())
    except (ContainerError, RequestError) as error:
        return "no reference", str(error)
    return ("warning", problem) if problem else ("passed", "Docker can hand over the GPU")
