"""The files by which a stranger takes the suite up agree with each other, and call what exists."""

import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from suite.archive import crate, sbom
from suite.core.environment import suite_version
from suite.core.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
TARGETS = {*re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)}


def load(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return content


def test_the_licence_is_apache_s_text_and_one_everywhere() -> None:
    digest = sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30", "as apache.org has it"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert {PROJECT["license"], load("CITATION.cff")["license"], sbom.OURS} == {"Apache-2.0"}


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    citation = load("CITATION.cff")
    (paper,) = citation["references"]
    assert citation["version"] == suite_version()
    assert citation["keywords"] == PROJECT["keywords"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert (paper["title"], paper["url"]) == (crate.TITLE, crate.PAPER)
    assert PROJECT["urls"] == {"Paper": crate.PAPER}


def test_the_changelog_begins_with_what_is_unreleased_and_has_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]( - .+)?$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[:2] == [("Unreleased", ""), (suite_version(), " - unreleased")]
    assert all(re.fullmatch(r" - (unreleased|\d{4}-\d\d-\d\d)", when) for _, when in headings[1:])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_calls_what_exists(form: Path) -> None:
    text = form.read_text()
    assert {*re.findall(r"`make ([a-z-]+)", text)} <= TARGETS
    assert all((ROOT / path).exists() for path in re.findall(r"[\w/-]+\.md\b", text))


def test_there_is_a_form_for_a_bug_a_number_and_an_encoder() -> None:
    assert [form.name for form in FORMS] == ["bug.yml", "config.yml", "deviating_number.yml", "new_encoder.yml"]


def test_the_hook_before_a_commit_is_make_lint() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["language"], hook["entry"]) == ("local", "system", "make lint")
    assert "lint" in TARGETS
    changed = ["suite/cells.py", "pyproject.toml", "requirements.lock", "README.md"]
    assert [path for path in changed if re.search(hook["files"], path)] == changed[:3]


def test_what_is_pinned_is_kept_up_to_date() -> None:
    updates = load(".github/dependabot.yml")["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions", "pip", "docker", "npm"]
    workflows = [path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")]
    pinned = [line for text in workflows for line in re.findall(r"uses: .*", text)]
    assert pinned
    assert [line for line in pinned if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []
