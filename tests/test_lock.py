"""The lock holds what pyproject.toml asks for, every file with its hash."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from suite.core.paths import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
ENTRIES = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)(.*(?:\n {4}.*)*)", LOCK, flags=re.MULTILINE)


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for group in project["optional-dependencies"].values() for line in group]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_every_requirement_is_locked_to_a_version_it_allows(requirement: Requirement) -> None:
    versions = [v for name, v, _ in ENTRIES if canonicalize_name(name) == canonicalize_name(requirement.name)]
    assert versions
    assert all(requirement.specifier.contains(version) for version in versions)


def test_every_locked_package_has_hashes() -> None:
    assert len(ENTRIES) > 50
    for name, _, rest in ENTRIES:
        assert "--hash=sha256:" in rest, name


def test_the_lock_names_no_index() -> None:
    assert not re.search(r"index-url|find-links|https?://|file:", LOCK)


def test_nothing_is_locked_that_nobody_asks_for() -> None:
    names = {canonicalize_name(name) for name, _, _ in ENTRIES}
    for name, _, rest in ENTRIES:
        askers = set(re.findall(r"#(?: via)? +([\w.-]+)", rest)) - {"via"}
        assert askers, name
        assert {canonicalize_name(asker) for asker in askers} <= names | {"part-aware-repro"}, name


def test_both_pythons_get_the_same_versions() -> None:
    versions: dict[str, set[str]] = {}
    for name, version, _ in ENTRIES:
        versions.setdefault(name, set()).add(version)
    # contourpy is part of how pictures are drawn, and of no number
    assert {name for name, found in versions.items() if len(found) > 1} <= {"contourpy"}


def test_the_lock_was_written_by_the_command_of_make_lock() -> None:
    command = "--universal --generate-hashes --python-version 3.11 --no-config"
    assert command in LOCK.splitlines()[1]
    assert command in (ROOT / "Makefile").read_text()
