"""Environment that a run ran in: code, packages, machine, container; recorded, never judged, never a reason to fail."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from suite.core.nvidia import driver_version
from suite.core.paths import ROOT
from suite.core.processors import usable_processors

LOCK = ROOT / "requirements.lock"
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"), Path("/.singularity.d"))
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")
Facts = dict[str, Any]


def capture(device: str) -> Facts:
    """Describe the environment of a run on `device`.

    Nothing personal is kept: no host name, user name or path.

    Args:
        device: what the run asked for, e.g. `cpu`, `cuda`, `cuda:1`.

    Returns:
        A group of facts per key: code, python, packages, lock, cpu, memory, os, gpu, container, threads.
        A fact that cannot be had is None, with `reason` beside it.
    """
    groups: dict[str, Callable[[], Facts]] = {
        "code": code_state,
        "python": _python,
        "packages": _packages,
        "lock": _lock,
        "cpu": _cpu,
        "memory": lambda: {"total_mib": psutil.virtual_memory().total // 2**20},
        "os": _os,
        "gpu": lambda: _gpu(device),
        "container": _container,
        "threads": _threads,
    }
    return {name: _guarded(group) for name, group in groups.items()}


def _guarded(group: Callable[[], Facts]) -> Facts:
    """Describe without ending a run of hours: whatever goes wrong becomes the reason."""
    try:
        return group()
    except Exception as error:
        return {"reason": f"not readable: {type(error).__name__}: {error}"}


def _run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the output of a command; RuntimeError with its first line of complaint."""
    process = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, errors="replace", env=environment
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        raise RuntimeError(lines[0])
    return process.stdout.strip()


def _git(*arguments: str) -> str:
    """Return git's answer about this checkout, in English, whatever the caller's environment says of another one.

    A hook and `rebase --exec` name their own repository (GIT_DIR), its index and work tree. A checkout of another user
    is believed: Python runs its code anyway.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = ("-c", f"safe.directory={ROOT}", "-c", "core.fsmonitor=false")
    return _run(
        *("git", "--no-optional-locks", *settings, "-C", str(ROOT), *arguments),
        environment=environment | {"LC_ALL": "C"},
    )


def code_state() -> Facts:
    """Return this checkout's commit and whether anything differs from it; None with a `reason` where git cannot say."""
    facts: Facts = {"suite": suite_version(), "commit": None, "dirty": None, "reason": None}
    revision = os.environ.get("SUITE_REVISION", "unknown")
    if revision != "unknown" and not (ROOT / ".git").exists():  # an image: its build declared what it was made from
        return {**facts, "commit": revision.removesuffix("-dirty"), "dirty": revision.endswith("-dirty")}
    try:
        # a parent folder may be somebody else's repository: its commit says nothing about this code
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return {**facts, "reason": "not a git checkout"}
        facts["commit"] = _git("rev-parse", "HEAD")
        facts["dirty"] = bool(_git("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none"))
    except FileNotFoundError:
        facts["reason"] = "git is not installed"
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        facts["reason"] = "not a git checkout" if "not a git repository" in str(error) else str(error)
    return facts


def suite_version() -> str | None:
    """Return the version of this project: of the checkout, else of the installed package."""
    project = ROOT / "pyproject.toml"
    if project.exists():
        return str(tomllib.loads(project.read_text())["project"]["version"])
    return _installed("part-aware-repro")


@cache  # reading a package's metadata takes a millisecond, and a run asks for every package several times
def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _python() -> Facts:
    return {"version": platform.python_version(), "implementation": platform.python_implementation()}


def locked_versions(text: str) -> dict[str, set[str]]:
    """Return the versions a lock file allows per package (several where it differs by Python or platform)."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, flags=re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of those of these packages that are installed."""
    versions = {name: _installed(name) for name in names}
    return {name: version for name, version in versions.items() if version}


def _packages() -> Facts:
    return package_versions(sorted(locked_versions(LOCK.read_text())))


def _lock() -> Facts:
    """Return the digest of the lock and every installed package that is not at a version it allows."""
    text = LOCK.read_bytes()
    locked = locked_versions(text.decode())
    # "2.14.1+cpu" is a build of the locked 2.14.1
    mismatches = {
        name: f"installed {version}, locked {' or '.join(sorted(locked[name]))}"
        for name, version in _packages().items()
        if version.split("+")[0] not in {locked_version.split("+")[0] for locked_version in locked[name]}
    }
    return {"sha256": hashlib.sha256(text).hexdigest(), "differ": mismatches}


def _cpu() -> Facts:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return {
        "model": names[0] if names else platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_processors(),
    }


def _os() -> Facts:
    try:
        distribution = platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        distribution = None
    return {"system": platform.system(), "kernel": platform.release(), "distribution": distribution}


def _gpu(device: str) -> Facts:
    import torch  # only here: reading an environment or a report needs no torch

    blanks: Facts = dict.fromkeys(("name", "memory_mib", "driver", "cuda", "cudnn"))
    if not device.startswith("cuda"):
        return {**blanks, "reason": f"the run was on {device}"}
    if not torch.cuda.is_available():
        return {**blanks, "reason": "torch sees no CUDA device"}
    properties = torch.cuda.get_device_properties(torch.device(device))
    return {
        "name": properties.name,
        "memory_mib": properties.total_memory // 2**20,
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "reason": None,
    }


def _container() -> Facts:
    """Return whether this is a container; its image as the Dockerfile or the caller declared it."""
    inside = any(mark.exists() for mark in CONTAINER_MARKS) or "container" in os.environ
    declared = os.environ if inside else {}  # outside, nobody can have declared it
    return {
        "inside": inside,
        "runtime": declared.get("SUITE_RUNTIME", "venv" if sys.prefix != sys.base_prefix else "system"),
        "image": declared.get("SUITE_IMAGE"),
        "image_digest": declared.get("SUITE_IMAGE_DIGEST"),
        "base_image": declared.get("SUITE_BASE_IMAGE"),
    }


def _threads() -> Facts:
    import torch

    variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    return {"torch": torch.get_num_threads(), "torch_interop": torch.get_num_interop_threads(), **variables}
