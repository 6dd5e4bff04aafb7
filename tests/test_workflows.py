"""The CI workflows: pinned, with few rights, no stranger on a machine of ours, and only commands that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from suite.core.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    return content | {"on": content.pop(True)}  # YAML 1.1 reads the key `on` as true


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_one_for_the_cpu_one_for_the_gpu_and_one_in_shards() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "gpu.yml", "shards.yml"]


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
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "what a user types must not become part of a script"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_exists_and_shows_the_report_even_of_a_red_run(path: Path) -> None:
    job_steps = steps(load(path))
    scripts = "\n".join(step.get("run", "") for step in job_steps)
    assert set(re.findall(r"\bmake ([a-z-]+)", scripts)) <= TARGETS
    assert {"setup", "reproduce"} <= set(re.findall(r"\bmake ([a-z-]+)", scripts))
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
