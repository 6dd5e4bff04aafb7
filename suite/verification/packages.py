"""Checks that the lock fits the project, and that what is installed is what it declares: every version, every file."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Collection, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from suite.core.environment import LOCK, locked_versions
from suite.core.paths import ROOT
from suite.verification.outcome import Check, Findings

SUBJECT = "environment"
SMALL = 1 << 20
"""Bytes of the largest file that is read unless everything is asked for; above it lie 93 % of all installed bytes."""
BY_THE_VENV = {"pip", "setuptools", "wheel", "part-aware-repro"}
"""Packages installed by Python's venv or by `pip install -e .`, so not from the lock."""
NOT_IN_THE_WHEEL = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def lock_fits_project(lock: Path = LOCK, project: Path = ROOT / "pyproject.toml") -> Check:
    """Check that each requirement of pyproject.toml is locked to a version it allows, and every entry has hashes."""
    findings = Findings()
    if not lock.exists() or not project.exists():
        return Check(SUBJECT, "lock", "missing", f"no {lock.name if project.exists() else project.name} in {ROOT.name}")
    text = lock.read_text()
    locked = {canonicalize_name(name): versions for name, versions in locked_versions(text).items()}
    project_table = tomllib.loads(project.read_text())["project"]
    extras = [line for group in project_table.get("optional-dependencies", {}).values() for line in group]
    for requirement in map(Requirement, (*project_table["dependencies"], *extras)):
        versions = locked.get(canonicalize_name(requirement.name), set())
        if not versions:
            findings.problem("not locked", f"{requirement}: not in {lock.name}; run make lock")
        for version in versions:
            if not requirement.specifier.contains(version, prereleases=True):
                findings.problem("at another version", f"{requirement}: locked {version}; run make lock")
    for entry in re.findall(r"^[\w.-]+==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
        if "--hash=sha256:" not in entry:
            findings.problem("without hash", f"{entry.split()[0]}: no SHA-256 in {lock.name}; run make lock")
    findings.say(f"{len(locked)} packages, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]}")
    return findings.check(SUBJECT, "lock")


def packages(lock: Path = LOCK) -> Check:
    """Check that each installed package is at its locked version; warn of others, which nothing of ours asked for."""
    if not lock.exists():
        return Check(SUBJECT, "packages", "missing", f"no {lock.name}: nothing says which versions belong here")
    findings = Findings()
    locked = {canonicalize_name(name): versions for name, versions in locked_versions(lock.read_text()).items()}
    # several folders may hold one package: Python imports the first
    installed: dict[str, str] = {}
    for distribution in metadata.distributions():
        installed.setdefault(canonicalize_name(distribution.metadata["Name"] or ""), distribution.version)
    for name, version in sorted(installed.items()):
        versions = locked.get(canonicalize_name(name))
        if versions is None or version in versions:
            continue
        kind = "of another build" if version.split("+")[0] in versions else "at another version"
        findings.problem(kind, f"{name}: installed {version}, locked {' or '.join(sorted(versions))}; run make setup")
    foreign = sorted(installed.keys() - locked.keys() - BY_THE_VENV)
    findings.say(f"{len(installed.keys() & locked.keys())} of {len(locked)} locked packages installed, all as locked")
    if not installed.keys() & locked.keys():
        findings.problem("at no version", _none_installed(locked, lock))
    if foreign:
        findings.warn(f"{len(foreign)} not of the lock: {', '.join(foreign[:5])}{', ...' if len(foreign) > 5 else ''}")
    return findings.check(SUBJECT, "packages")


def installed_files(*, full: bool = False, lock: Path = LOCK) -> Check:
    """Check that each file of each locked package has the SHA-256 that its wheel declared when it was installed.

    Args:
        full: read files above `SMALL` too, some gigabytes.
        lock: requirements.lock.
    """
    if not lock.exists():
        return Check(SUBJECT, "files", "missing", f"no {lock.name}: nothing says which files belong here")
    findings = Findings()
    locked = {canonicalize_name(name) for name in locked_versions(lock.read_text())}
    read_count = skipped_count = 0
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"] or "")
        if name not in locked:
            continue
        if not distribution.files:
            findings.problem("without record", f"{name}: its RECORD is gone; run make setup in a new VENV")
        for path, size, declared_digest in _declared(distribution):
            if size is not None and size > SMALL and not full:
                skipped_count += 1
                continue
            read_count += 1
            problem = _problem(path, declared_digest)
            if problem:
                findings.problem(problem, f"{name}: {path.name}: {problem}; remove the VENV and run make setup")
    if not read_count + skipped_count and not findings.problems:
        findings.problem("at no version", _none_installed(locked, lock))
    findings.say(f"{read_count:,} installed files as their wheels declare them")
    if skipped_count:
        findings.say(f"{skipped_count:,} above {SMALL >> 20} MiB not read (--full reads them)")
    return findings.check(SUBJECT, "files")


def _none_installed(locked: Collection[str], lock: Path) -> str:
    return f"none of the {len(locked):,} packages of {lock.name} is installed; run make setup"


def _declared(distribution: metadata.Distribution) -> Iterator[tuple[Path, int | None, str]]:
    """Yield (place, size, URL-safe Base64 of the SHA-256) of every file that RECORD gives one."""
    for file in distribution.files or ():
        # scripts get this environment's Python in their first line, and compiled files are made here
        if file.hash is None or file.hash.mode != "sha256" or file.suffix == ".pyc" or file.name in NOT_IN_THE_WHEEL:
            continue
        yield Path(str(distribution.locate_file(file))), file.size, file.hash.value


def _problem(path: Path, declared_digest: str) -> str | None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return None if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == declared_digest else "altered"
