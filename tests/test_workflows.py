"""The CI workflows: pinned, with few rights, no stranger on a machine of ours, and only commands that exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from suite.core.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MEASURING = [path for path in WORKFLOWS if path.name != "release.yml"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    return content | {"on": content.pop(True)}  # YAML 1.1 reads the key `on` as true


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_workflow_is_known_here() -> None:
    names = ["check-encoder.yml", "ci.yml", "gpu.yml", "release.yml", "shards.yml"]
    assert [path.name for path in WORKFLOWS] == names


def test_every_shard_of_the_matrix_is_done_kept_and_merged() -> None:
    jobs = load(ROOT / ".github/workflows/shards.yml")["jobs"]
    numbers = jobs["shard"]["strategy"]["matrix"]["shard"]
    assert numbers == [*range(1, jobs["shard"]["env"]["SHARDS"] + 1)]
    [kept] = [step["with"]["name"] for step in jobs["shard"]["steps"] if "upload-artifact" in step.get("uses", "")]
    [fetched] = [step["with"] for step in jobs["report"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert (kept, fetched) == ("shard-${{ matrix.shard }}", {"pattern": "shard-*", "path": "parts"})
    assert jobs["report"]["needs"] == "shard"
    assert jobs["report"]["if"] == "${{ !cancelled() }}", "a shard that is red is named in the report"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_pinned_and_has_few_rights(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow["on"]
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    rights = [job["permissions"] for job in workflow["jobs"].values() if "permissions" in job]
    published = [{"contents": "read", "packages": "write", "id-token": "write"}]
    assert rights == (published if path.name == "release.yml" else [])
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "what a user types must not become part of a script"


@pytest.mark.parametrize("path", MEASURING, ids=lambda path: path.name)
def test_a_workflow_calls_what_exists_and_shows_the_report_even_of_a_red_run(path: Path) -> None:
    job_steps = steps(load(path))
    scripts = "\n".join(step.get("run", "") for step in job_steps)
    targets = set(re.findall(r"\bmake (?:-C \S+ )?([a-z-]+)", scripts))
    assert targets <= TARGETS
    assert "setup" in targets
    assert "reproduce" in targets or "-m suite check" in scripts
    assert "summary.md" in scripts
    assert "--annotations" in scripts or path.name == "check-encoder.yml", "whose cells have no expected value"
    for step in job_steps:
        if "GITHUB_STEP_SUMMARY" in step.get("run", "") or "upload-artifact" in step.get("uses", ""):
            assert step["if"] == "${{ !cancelled() }}"


def test_a_stranger_s_pull_request_never_reaches_the_gpu() -> None:
    workflow = load(ROOT / ".github/workflows/gpu.yml")
    assert set(workflow["on"]) == {"push", "workflow_dispatch"}
    for job in workflow["jobs"].values():
        assert "self-hosted" in job["runs-on"]
        assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    assert "self-hosted" not in (ROOT / ".github/workflows/ci.yml").read_text()


def test_another_repository_calls_check_with_what_it_says(tmp_path: Path) -> None:
    workflow = load(ROOT / ".github/workflows/check-encoder.yml")
    assert set(workflow["on"]) == {"workflow_call"}, "a stranger's push does not reach it"
    inputs = workflow["on"]["workflow_call"]["inputs"]
    assert {name for name, facts in inputs.items() if facts.get("required")} == {"suite", "ref", "encoder"}
    [script] = [step["run"] for step in steps(workflow) if step.get("name") == "Beside the seven"]
    python = tmp_path / ".part-aware-repro/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH"\nprintf "<%s>" "$@"\n')
    python.chmod(0o755)
    names = ("ENCODER", "FOLDER", "EXPERIMENTS", "NO_WORSE_THAN", "BY")
    given = dict(zip(names, ("mine:build?x=$(touch y)", "src", "", "dino", "0.5"), strict=True))
    environment = {"PATH": "/usr/bin:/bin"} | given
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}/src:{tmp_path}/.part-aware-repro",
        "<-m><suite><check><mine:build?x=$(touch y)><--run><.part-aware-repro/runs/check><--runtime><venv>"
        "<--no-worse-than><dino><--by><0.5>",
    ]
    assert not (tmp_path / "y").exists()


def test_a_released_image_is_told_all_that_the_dockerfile_asks_for() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    asked = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)) - {"BASE_IMAGE"}
    told = set(re.findall(r'--build-arg "([A-Z]+)=', text))
    code = "import sys; sys.path.insert(0, '.'); from suite.container.image import digests; print(*digests())"
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert '"${part^^}_SHA256=$digest"' in text
    assert told | {f"{part.upper()}_SHA256" for part in bare.stdout.split()} == asked


def test_a_release_is_attested_and_signed_by_digest() -> None:
    scripts = [step.get("run", "") for step in steps(load(ROOT / ".github/workflows/release.yml"))]
    [build] = [script for script in scripts if "buildx build" in script]
    assert all(option in build for option in ("--push", "--provenance=mode=max", "--sbom=true"))
    assert 'echo "image=$image@$digest"' in build
    assert 'cosign sign --yes "$IMAGE"' in scripts
