"""Container or virtual environment: decided before anything is measured, and said in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from suite.container import apptainer
from suite.container.engine import connect, explained, has_cdi, has_runtime, is_podman, no_toolkit
from suite.container.image import IMAGE, find
from suite.container.mounts import Mount, caller, make_writable
from suite.container.run import Setup, run_in_container
from suite.core.environment import CONTAINER_MARKS
from suite.core.nvidia import has_gpu, no_gpu
from suite.errors import ContainerError, RequestError, unknown

RUNTIMES = ("auto", "container", "apptainer", "venv")
ROOTLESS = (0, 0)
"""User in a container of a daemon without root's rights: its root is the caller."""


def choose(
    runtime: str,
    *,
    folders: Callable[[], Sequence[Mount]],
    device: str = "auto",
    image: str = IMAGE,
    read_only: bool = True,
    say: Callable[[str], None] = print,
) -> Setup | apptainer.Setup | None:
    """Return the container to run in, or None to go on in this process.

    Args:
        runtime: `container` or `apptainer` (or an error), `venv`, or `auto`: the container where this machine has a
            GPU, a daemon that can hand it over, an image of just this source, and may write where it has to, and is no
            container itself; otherwise the virtual environment.
        folders: what to mount; asked only if the rest is there.
        device: as the user asked for it; a GPU is handed over unless it is `cpu`.
        image: name of the image.
        read_only: keep the container's root read-only.
        say: takes the one line about the choice; `venv` is what was asked for, so it says nothing.

    Raises:
        RequestError: no such runtime, or `container` was asked for and `DOCKER_HOST` cannot be parsed.
        ContainerError: a container was asked for and cannot be had. It is never replaced silently.
    """
    if runtime not in RUNTIMES:
        raise unknown("runtime", runtime, RUNTIMES)
    if runtime == "venv":
        return None
    if runtime == "apptainer":
        sif_setup = apptainer.find(folders(), gpu=device != "cpu" and has_gpu())
        say(sif_setup.line())
        return sif_setup
    try:
        setup = _container_setup(device, image) if runtime == "container" else _if_complete(device, image)
        setup = replace(setup, mounts=folders(), read_only=read_only)
        if setup.user != ROOTLESS:
            make_writable(setup.mounts, setup.user)
    except (ContainerError, RequestError) as error:
        if runtime == "container":
            raise
        say(f"runtime: virtual environment ({str(error).removesuffix(', or pass RUNTIME=venv')})")
        return None
    stale = f"; warning: built from {setup.image.stale} than this checkout's" if setup.image.stale else ""
    place = f"{setup.image.id[7:19]}, {'GPU' if setup.gpu else 'CPU'}; /suite inside stands for {Path.cwd()}"
    say(f"runtime: container {image} ({place}){stale}")
    return setup


def run_inside(setup: Setup | apptainer.Setup, arguments: Sequence[str]) -> int:
    """Run `python -m suite <arguments>` where `choose` said; returns the exit code of the suite inside."""
    if isinstance(setup, apptainer.Setup):
        return apptainer.run_in_apptainer(setup, arguments)
    return run_in_container(setup, arguments)


def _container_setup(device: str, image: str) -> Setup:
    if device != "cpu" and has_gpu() and (problem := no_gpu()):  # without one here, the daemon's machine may have it
        raise ContainerError(f"this machine has a GPU, but {problem}; or pass DEVICE=cpu")
    client = connect()
    with explained("docker info"):
        info = client.info()
    if device == "auto" and has_gpu() and (problem := no_toolkit(info)):
        raise ContainerError(f"this machine has a GPU, but {problem}; or pass DEVICE=cpu")
    gpu = device == "cuda" or (device == "auto" and has_gpu())
    with explained("docker version"):
        podman = is_podman(client.version())
    rootless = any("name=rootless" in option for option in info.get("SecurityOptions") or [])
    user = ROOTLESS if rootless else caller()
    return Setup(
        client, find(client, image), (), user, gpu=gpu, cdi=has_cdi(info) and not has_runtime(info), podman=podman
    )


def _if_complete(device: str, image: str) -> Setup:
    if any(mark.exists() for mark in CONTAINER_MARKS) or "container" in os.environ:
        raise ContainerError("this is a container already")
    if not has_gpu():
        raise ContainerError("no NVIDIA GPU on this machine")
    setup = _container_setup("auto", image)
    if setup.image.stale:
        raise ContainerError(f"{image} was built from {setup.image.stale} than this checkout's: make image")
    return replace(setup, gpu=device != "cpu")
