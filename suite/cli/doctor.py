"""`make doctor`: what this machine has of what the suite needs, a line each, before anything is installed.

It imports Python's own library and what of the suite does the same, and waits for no answer longer than `LIMIT_S`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Literal, NamedTuple

from suite.container import engine
from suite.core import nvidia
from suite.core.paths import ROOT
from suite.core.program import run_program
from suite.errors import ContainerError

LIMIT_S = 30.0
"""Seconds that all questions, asked at once, may take together."""
PACKAGES_GB, IMAGE_GB = 7, 12
"""Disk that `make setup` fills, and that `make image` needs while it builds, 10^9 bytes (README.md, the container)."""
OLDEST_MAKE = (3, 82)
"""First GNU Make that has `undefine`, which the Makefile uses."""
FOR_INDEX = "needed for make setup"
FOR_DOCKER = "needed for make image and RUNTIME=container"
FOR_GPU = "needed for PROFILE=paper, not for the mini study"


class Line(NamedTuple):
    """What was found of one thing.

    Attributes:
        status: `missing` where what it is for cannot be done.
        text: what is there; where that is not all, what is needed, and for what.
    """

    status: Literal["ok", "warning", "missing"]
    text: str


def python() -> Line:
    """Look for the venv of this Python, of whose version the Makefile has made sure."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not find_spec("ensurepip"):
        return Line("missing", f"{version} without venv: apt-get install python3-venv, or alike; needed for everything")
    return Line("ok", version)


def disk(folder: Path = ROOT) -> Line:
    """Look at the room for packages, where there are none yet, and for an image."""
    free = shutil.disk_usage(folder).free / 1e9
    here = f"{free:.0f} GB free in {folder}"
    if not (folder / ".venv" / ".installed").exists() and free < PACKAGES_GB:
        return Line("missing", f"{here}: expected {PACKAGES_GB} GB; needed for make setup")
    if free < IMAGE_GB:
        return Line("warning", f"{here}: expected {IMAGE_GB} GB; needed for make image alone")
    return Line("ok", here)


def make() -> Line:
    """Look for GNU Make."""
    code, text = _ask("make", "--version")
    match = re.match(r"GNU Make (\d+)\.(\d+)", text)
    if code or not match:
        return Line("missing", "no GNU Make; needed for make setup and all else that begins with make")
    if (int(match[1]), int(match[2])) < OLDEST_MAKE:
        return Line("warning", f"{match[0]}: expected {'.'.join(map(str, OLDEST_MAKE))} or newer")
    return Line("ok", match[0])


def index() -> Line:
    """Let pip ask the package index, as it is configured here, for one package of the lock."""
    pip = _pip()
    if not pip:
        return Line("warning", f"not asked: this Python has no pip yet; {FOR_INDEX}")
    options = ("--retries", "0", "--timeout", "5", "--disable-pip-version-check")
    code, text = _ask(sys.executable, "-I", *pip, "index", "versions", "pytest", *options)
    if code:
        reason = text.splitlines()[-1] if text else "no answer"
        return Line("missing", f"pip cannot find pytest: {reason}: see pip config list; {FOR_INDEX}")
    return Line("ok", "pip finds pytest")


def docker() -> Line:
    """Knock at the door of Docker's daemon; one that does not live on this machine is not asked."""
    host = engine.address()
    try:
        engine.knock(host)
    except ContainerError as error:
        return Line("missing", f"{error}; {FOR_DOCKER}")
    return Line("ok", host) if host.startswith("unix://") else Line("warning", f"{host}: not asked; {FOR_DOCKER}")


def gpu() -> Line:
    """Look for a card that can be used."""
    if problem := nvidia.no_gpu():
        return Line("missing", f"{problem}; {FOR_GPU}")
    cards = [f"{card['name']}, {card['memory_mib']} MiB" for card in nvidia.ask_smi().cards]
    return Line("ok", "; ".join(cards) or "there, and nvidia-smi, which would name it, is not")


def driver() -> Line:
    """Look for NVIDIA's driver, and whether CUDA 13 runs with it."""
    version = nvidia.driver_version()
    if not version:
        return Line("missing", f"no NVIDIA driver; {nvidia.DRIVER} or newer is needed for a GPU")
    if nvidia.is_too_old(version):
        return Line("warning", f"{version}: {nvidia.INSTALL}; needed for CUDA 13")
    return Line("ok", version)


QUESTIONS: dict[str, Callable[[], Line]] = {
    "Python": python,
    "disk": disk,
    "make": make,
    "package index": index,
    "Docker": docker,
    "GPU": gpu,
    "driver": driver,
}


def examine(questions: dict[str, Callable[[], Line]], limit_s: float = LIMIT_S) -> dict[str, Line]:
    """Ask everything at once; what has not answered in time, or fails, is a warning that says so."""
    lines: dict[str, Line] = {}

    def answer(name: str, question: Callable[[], Line]) -> None:
        try:
            lines[name] = question()
        except Exception as error:  # a doctor ends with a diagnosis
            lines[name] = Line("warning", f"cannot be told: {type(error).__name__}: {' '.join(str(error).split())}")

    # a disk or a driver that hangs keeps its thread, and a thread of this kind keeps nobody
    threads = [Thread(target=answer, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Line("warning", f"no answer in {limit_s:g} s")
    return {name: lines.get(name, late) for name in questions}


def main() -> int:
    """Print a line for each thing; return 2 where nothing can run at all, else 0."""
    lines = examine(QUESTIONS)
    for name, line in lines.items():
        print(f"{name:<14} {line.status:<8} {line.text}")
    return 2 if lines["Python"].status == "missing" else 0


def _pip() -> tuple[str, ...]:
    """Return how this Python is told to run pip: its own, else the one that it puts into environments."""
    if find_spec("pip"):
        return ("-m", "pip")
    ensurepip = find_spec("ensurepip")
    wheels = sorted(Path(ensurepip.origin).parent.glob("_bundled/pip-*.whl")) if ensurepip and ensurepip.origin else []
    return (str(wheels[-1] / "pip"),) if wheels else ()


def _ask(*command: str) -> tuple[int, str]:
    """Return the exit code of a program and all that it says; 127 where it is not there or does not end."""
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=0.7 * LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, f"{type(error).__name__}"
    return process.returncode, process.stdout.decode(errors="replace").strip()


if __name__ == "__main__":
    run_program(main)
