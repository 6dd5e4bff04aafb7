"""Run a verb in an Apptainer image, where no Docker is allowed: its doors are closed as far as Apptainer has them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from suite.container.image import Image
from suite.container.mounts import INSIDE, Mount, python_path
from suite.container.run import KERNELS, environment, faults
from suite.errors import ContainerError

PROGRAMS = ("apptainer", "singularity")
SIF = Path("part-aware-repro.sif")
"""Image file where no other is named."""
CLOSED = ("--containall", "--no-home", "--no-privs")
"""No folder, variable, process or socket of the host; the image itself is read-only."""
NO_NETWORK = ("--net", "--network=none")
"""Permitted to users by some installations only."""


@dataclass(frozen=True)
class Setup:
    """An image that can be run.

    Attributes:
        program: `apptainer`, or `singularity`, as older installations call it.
        sif: the image's file.
        image: what it was made from; its id is the digest of the file.
        gpu: hand it every GPU, by NVIDIA's libraries of the host.
        network: closed, where this installation permits that.
    """

    program: str
    sif: Path
    image: Image
    mounts: Sequence[Mount]
    gpu: bool = False
    network_closed: bool = True

    def line(self) -> str:
        """Say what was chosen, as of the container."""
        stale = f"; warning: built from {self.image.stale} than this checkout's" if self.image.stale else ""
        place = f"{self.image.id[7:19]}, {'GPU' if self.gpu else 'CPU'}; {INSIDE} inside stands for {Path.cwd()}"
        return f"runtime: {Path(self.program).name} {self.sif} ({place}){stale}"


def program() -> str:
    """Return the command of Apptainer.

    Raises:
        ContainerError: there is none.
    """
    for name in PROGRAMS:
        if shutil.which(name):
            return name
    raise ContainerError("no apptainer among this machine's programs: load its module, or pass RUNTIME=venv")


def build(source: str, sif: Path = SIF) -> None:
    """Make the image's file.

    Args:
        source: `docker://registry.example/name@sha256:...`, `docker-daemon:NAME` or `docker-archive:FILE`.
        sif: the file; one that is there is replaced.

    Raises:
        ContainerError: no Apptainer, or it cannot make it, in its own words.
    """
    done = subprocess.run([program(), "build", "--force", str(sif), source], check=False)
    if done.returncode:
        raise ContainerError(f"{source}: cannot be made into {sif}: see the lines above")


def source_of(image: str, archive: Path | None) -> str:
    """Return where an image is taken from: a file of `docker save`, the registry in its name, or Docker."""
    if archive is not None:
        return f"docker-archive:{archive}"
    first, slash, _ = image.partition("/")
    return f"docker://{image}" if slash and re.search(r"[.:]|^localhost$", first) else f"docker-daemon:{image}"


def find(mounts: Sequence[Mount], *, gpu: bool, sif: Path = SIF) -> Setup:
    """Look at an image, and at what this installation permits.

    Raises:
        ContainerError: no Apptainer, no image, or one that it cannot run.
    """
    name = program()
    if not sif.is_file():
        raise ContainerError(f"no image {sif}: make it with python -m suite image sif, or pass RUNTIME=venv")
    inspected = _output(name, "inspect", "--json", "--labels", str(sif))
    try:
        labels = {str(k): str(v) for k, v in json.loads(inspected)["data"]["attributes"]["labels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContainerError(f"{sif}: expected an image with labels: {error!r}") from error
    with sif.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    image = Image(str(sif), f"sha256:{digest}", labels.get("org.label-schema.usage.source"), sif.stat().st_size, labels)
    permits = _run(name, "exec", *CLOSED, *NO_NETWORK, str(sif), "true").returncode == 0
    if not permits:
        _output(name, "exec", *CLOSED, str(sif), "true")
        print(f"warning: {name} permits no closed network here: the suite inside may reach it", file=sys.stderr)
    return Setup(name, sif, image, mounts, gpu=gpu, network_closed=permits)


def command(setup: Setup, arguments: Sequence[str], scratch: Path) -> list[str]:
    """Return the command line that runs `python -m suite <arguments>` in the image.

    Args:
        setup: the image.
        arguments: of the suite.
        scratch: an empty folder of the host, for /tmp and what Triton compiles.
    """
    words = [setup.program, "run", *CLOSED, *(NO_NETWORK if setup.network_closed else ())]
    words += ["--nv"] if setup.gpu else []
    words += [f"--pwd={INSIDE}", f"--workdir={scratch}", f"--scratch={KERNELS}"]
    for mount in setup.mounts:
        words += ["--mount", _bind(mount)]
    return [*words, str(setup.sif), *arguments]


def variables(setup: Setup) -> dict[str, str]:
    """Return what the suite inside is told; `--env` would cut a value like `0,1` at its comma."""
    prefix = f"{Path(setup.program).name.upper()}ENV_"
    told = environment(setup.image) | faults(setup.mounts) | python_path(setup.mounts)
    told |= {"SUITE_RUNTIME": "apptainer", "container": "apptainer"}
    return {f"{prefix}{name}": value for name, value in told.items()}


def run_in_apptainer(setup: Setup, arguments: Sequence[str]) -> int:
    """Run it; SIGTERM is passed on, as a terminal does with Ctrl-C. Returns the exit code of the suite inside."""
    for mount in setup.mounts:
        if mount.writable:
            mount.source.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="suite-") as scratch:
        words = command(setup, arguments, Path(scratch))
        with subprocess.Popen(words, env=os.environ | variables(setup)) as process, _passed_on(process):
            while True:
                try:
                    code = process.wait()
                except KeyboardInterrupt:  # the suite inside has heard it, too, and writes its report
                    continue
                return code if code >= 0 else 128 - code


def _bind(mount: Mount) -> str:
    """Write a mount as CSV, as Apptainer reads it: a path may hold a comma or a colon."""
    fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
    fields += [] if mount.writable else ["ro"]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, errors="replace")


def _output(*words: str) -> str:
    """Return what Apptainer says; ContainerError with its own words where it fails."""
    done = _run(*words)
    if done.returncode:
        raise ContainerError(f"{' '.join(words[:2])}: {' '.join(done.stderr.split()) or done.returncode}")
    return done.stdout
