"""Build the image with BuildKit, which only the docker command line speaks: the SDK knows the builder before it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from suite.container.engine import connect, explained
from suite.container.image import IMAGE, LABEL, Image, digests, find
from suite.core.environment import code_state
from suite.core.paths import ROOT
from suite.errors import ContainerError

if TYPE_CHECKING:
    from docker import DockerClient

NEEDED_GB = {"packages": 12, "source": 1}
"""Free disk that a build takes at its peak: measured 9 and 0.1, see docs/how-to/container.md."""


def build(
    *,
    name: str = IMAGE,
    base: str | None = None,
    ca_bundle: Path | None = None,
    pip_conf: Path | None = None,
    network: str | None = None,
) -> Image:
    """Build the image from this checkout; the daemon's cache makes a change of source a matter of seconds.

    Args:
        name: its tag.
        base: another base image than the Dockerfile's.
        ca_bundle: certificates of a company's proxy, for pip; a build secret, not kept in the image.
        pip_conf: a pip configuration, e.g. with a mirror; a build secret as well.
        network: of the build's steps, e.g. `host`.

    Raises:
        ContainerError: no daemon, no BuildKit, too little disk, a base image out of reach, a failed step.
    """
    client = connect()
    command = builder()
    check_disk(client, name)
    image_digests = digests()
    arguments = {
        "BASE_IMAGE": base,
        "REVISION": revision(),
        "CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
        "LOCK_SHA256": image_digests["lock"],
        "SOURCE_SHA256": image_digests["source"],
    }
    command += ["build", "--progress=plain", f"--tag={name}", f"--network={network or 'default'}"]
    command += [f"--build-arg={key}={value}" for key, value in arguments.items() if value]
    for secret, file in {"ca_bundle": ca_bundle, "pip_conf": pip_conf}.items():
        if file is not None:
            if not file.is_file():
                raise ContainerError(f"{file}: expected a file for {secret}, found none")
            command.append(f"--secret=id={secret},src={file.resolve()}")
    run_build([*command, str(ROOT)])
    return find(client, name)


def builder() -> list[str]:
    """Return the first docker command in PATH that has BuildKit: built in before 23, a plug-in since.

    Raises:
        ContainerError: there is none; Podman's command of this name is none.
    """
    commands = [Path(folder) / "docker" for folder in os.get_exec_path()]
    others: list[str] = []
    for command in (path for path in commands if os.access(path, os.X_OK)):
        try:
            version_text = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
        except OSError as error:  # of another machine, or a script without its first line
            version_text = str(error)
        version = re.match(r"Docker version (\d+)", version_text)
        if not version:
            others.append(f"{command} is {' '.join(version_text.split()) or 'no Docker'}")
            continue
        has_plugin = subprocess.run([command, "buildx", "version"], capture_output=True, check=False).returncode == 0
        if has_plugin or int(version[1]) < 23:
            return [str(command)]
    remark = f" ({'; '.join(others)})" if others else ""
    raise ContainerError(
        f"no docker command with BuildKit in PATH{remark}: install Docker's buildx plug-in (docker-buildx-plugin)"
    )


def check_disk(client: DockerClient, name: str) -> None:
    """Fail before a download of gigabytes rather than after it.

    Raises:
        ContainerError: less free space than the build takes.
    """
    import docker

    with explained("docker info"):
        folder = Path(client.info()["DockerRootDir"])
        try:
            cached = client.images.get(name).labels.get(f"{LABEL}.lock.sha256") == digests()["lock"]
        except docker.errors.ImageNotFound:
            cached = False
    try:
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError:  # the daemon is on another machine, or its folder is closed to this user
        return
    needed_gb = NEEDED_GB["source" if cached else "packages"]
    if free_gb < needed_gb:
        raise ContainerError(
            f"{folder}: too little disk for the build: expected {needed_gb} GB free, found {free_gb:.1f}; "
            "free space, e.g. with docker system prune"
        )


def revision() -> str:
    """Return the commit of this checkout, with `-dirty` where anything differs from it; `unknown` without git."""
    code = code_state()
    return f"{code['commit']}{'-dirty' if code['dirty'] else ''}" if code["commit"] else "unknown"


def run_build(command: list[str]) -> None:
    """Run the build and show its output as it comes.

    Raises:
        ContainerError: it failed; the message names the cause if it is a known one.
    """
    recent_lines: deque[str] = deque(maxlen=200)
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            sys.stderr.write(line)
            recent_lines.append(line.strip())
    if process.returncode:
        raise ContainerError(f"the image was not built: {cause(list(recent_lines))}")


def cause(lines: list[str]) -> str:
    """Return the cause of a failed build, from its output."""
    text = "\n".join(lines)
    complaint = next((line for line in reversed(lines) if "error" in line.lower()), (lines or ["no output"])[-1])
    if re.search(r"no space left on device", text, re.IGNORECASE):
        return f"too little disk: free space, e.g. with docker system prune: {complaint}"
    if re.search(r"load metadata for|resolve source metadata|access denied|/manifests/|: not found$", complaint):
        return f"the base image cannot be had: check the network, or pass BASE_IMAGE= of a mirror: {complaint}"
    if re.search(r"CERTIFICATE_VERIFY_FAILED", text):
        return f"a proxy's certificate is not trusted: pass CA_BUNDLE=: {complaint}"
    if re.search(r"DO NOT MATCH THE HASHES", text):
        return f"a package is not the locked one: {complaint}"
    return complaint
