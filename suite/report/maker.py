"""What a report was made by: where that is the same, the same run folder gives the same bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from suite.core.environment import package_versions
from suite.core.paths import EXPECTED, ROOT, SUITE

PARTS = ("core", "protocol", "results", "reference", "judge", "run", "verification", "plan", "report")
"""Parts of the suite that judge and report a run."""
KINDS = {".py", ".toml", ".j2", ".css", ".js"}
PACKAGES = ("jinja2", "markupsafe", "matplotlib", "numpy", "scipy", "tabulate")
"""Packages that compute, draw or write something in it."""


def maker(accepted: Path = EXPECTED) -> dict[str, Any]:
    """Return the digests of the code and of the expected values, and the versions of the packages.

    Args:
        accepted: folder of the values that were accepted, which count among the expected.
    """
    code = [*SUITE.glob("*.py"), *(path for part in PARTS for path in (SUITE / part).rglob("*"))]
    values = {ROOT: [*EXPECTED.rglob("*.toml")]} | (
        {} if accepted == EXPECTED else {accepted: [*accepted.rglob("*.toml")]}
    )
    return {
        "code": _digest({ROOT: [path for path in code if path.suffix in KINDS]}),
        "expected": _digest(values),
        "packages": {"python": ".".join(platform.python_version_tuple()[:2]), **package_versions(PACKAGES)},
    }


def _digest(files: Mapping[Path, Sequence[Path]]) -> str:
    """Return the digest of files, each known by its place below a folder."""
    digest = sha256()
    for folder, paths in files.items():
        for path in sorted(paths):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def differences(stored_maker: Mapping[str, Any], own_maker: Mapping[str, Any], commit: str | None) -> Sequence[str]:
    """Say in words what a report was made by that is otherwise here.

    Args:
        stored_maker: of the report.
        own_maker: of this process.
        commit: that the run was made at, as far as is noted.
    """
    at_commit = f"the run is of commit {commit[:12]}" if commit else "the commit is unknown"
    words = [f"other code ({at_commit})"] if stored_maker["code"] != own_maker["code"] else []
    words += ["other expected values"] if stored_maker["expected"] != own_maker["expected"] else []
    packages, own_packages = stored_maker["packages"], own_maker["packages"]
    return words + [
        f"{name} {packages.get(name)}, not {own_packages.get(name)}"
        for name in sorted(packages | own_packages)
        if packages.get(name) != own_packages.get(name)
    ]
