"""`launch kubernetes`: Jobs that the schemas of seven releases take, as closed as the container is."""

import re
from typing import Any

import pytest
import yaml

from suite.cli.main import main
from suite.launch.kubernetes import Job, manifest
from suite.run.request import make_request

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="installed by make setup from the lock")
RELEASES = [f"1.{minor}" for minor in range(31, 38)]
IMAGE = f"registry.example/part-aware@sha256:{'ab' * 32}"


def jobs(**asked: Any) -> list[dict[str, Any]]:
    """Return the Job of the shards and that of the report."""
    request = make_request(**({"device": "cpu"} | asked), here=False)
    return [*yaml.safe_load_all(manifest(request, Job(IMAGE, "study", count=5, at_once=3)))]


def container(job: dict[str, Any]) -> dict[str, Any]:
    [one] = job["spec"]["template"]["spec"]["containers"]
    return one


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("profile", "device"), [("mini", "cpu"), ("paper", "cuda")])
def test_every_release_takes_both_jobs(release: str, profile: str, device: str) -> None:
    for job in jobs(profile=profile, device=device):
        kubernetes_validate.validate(job, release, strict=True)


def test_a_job_that_is_none_is_seen_by_the_schema() -> None:
    job = jobs()[0]
    job["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"][0].pop("status")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.31", strict=True)


def test_each_index_is_a_shard_that_is_tried_again_only_where_that_can_help() -> None:
    shards = jobs()[0]["spec"]
    assert (shards["completionMode"], shards["completions"], shards["parallelism"]) == ("Indexed", 5, 3)
    assert (shards["backoffLimitPerIndex"], shards["podReplacementPolicy"]) == (3, "Failed")
    assert shards["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailIndex", "onExitCodes": {"containerName": "suite", "operator": "In", "values": [2, 3, 137]}},
    ]
    assert shards["template"]["spec"]["terminationGracePeriodSeconds"] == 120
    line = container(jobs()[0])["command"][-1]
    assert line.startswith("exec python -m suite reproduce --runtime=venv --profile=mini ")
    assert line.endswith(' --shard "$((JOB_COMPLETION_INDEX + 1))/5"')


def test_the_report_waits_until_it_is_let_begin() -> None:
    shards, report = jobs()
    assert report["spec"]["suspend"] is True
    assert container(report)["command"] == ["python", "-m", "suite", "report", "runs/mini"]
    assert report["metadata"]["name"] == f"{shards['metadata']['name']}-report" == "part-aware-mini-report"


@pytest.mark.parametrize("which", [0, 1])
def test_a_pod_is_as_closed_as_the_container(which: int) -> None:
    job = jobs(profile="paper", device="cuda")[which]
    pod, one = job["spec"]["template"]["spec"], container(job)
    assert one["image"] == IMAGE
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = {name: pod["securityContext"][name] for name in ("runAsNonRoot", "runAsUser", "runAsGroup")}
    assert user == {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert {volume["name"]: volume.get("emptyDir") for volume in pod["volumes"]} == {
        "study": None,
        "tmp": {"sizeLimit": "1Gi"},
        "kernels": {"sizeLimit": "256Mi"},
        "shm": {"medium": "Memory", "sizeLimit": "1Gi"},
    }
    places = {mount["mountPath"]: mount.get("readOnly", False) for mount in one["volumeMounts"]}
    assert places == {
        "/suite/runs": False,
        "/suite/cache": False,
        "/suite/data": True,
        "/suite/weights": True,
        "/tmp": False,
        "/var/cache/triton": False,
        "/dev/shm": False,
    }
    gpus = {"nvidia.com/gpu": 1} if which == 0 else {}
    assert one["resources"]["limits"] == {"memory": "64Gi"} | gpus


def test_the_suite_inside_is_told_what_it_records() -> None:
    told = {variable["name"]: variable["value"] for variable in container(jobs()[0])["env"]}
    image = {"SUITE_IMAGE": IMAGE, "SUITE_IMAGE_DIGEST": IMAGE.partition("@")[2]}
    assert told == image | {"container": "kubernetes", "SUITE_RUNTIME": "kubernetes"}


def test_the_mini_study_is_drawn_into_the_claim() -> None:
    places = {mount["mountPath"]: mount.get("readOnly", False) for mount in container(jobs()[0])["volumeMounts"]}
    assert places["/suite/data"] is False
    assert "/suite/weights" not in places


def test_the_verb_prints_them(capsys: pytest.CaptureFixture) -> None:
    asked = ["launch", "kubernetes", "--encoder=dino", "--dataset=cifar10", "--device=cpu", "--claim=study"]
    assert main(asked) == 0
    shards, _report = yaml.safe_load_all(capsys.readouterr().out)
    assert shards["spec"]["completions"] == 1
    assert container(shards)["image"] == "part-aware-repro:latest"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--claim=A b", "--claim 'A b': expected a name of small letters, digits, - and ."),
        ("--memory=lots", "--memory 'lots': expected a size as Kubernetes writes it, e.g. 64Gi"),
        ("--run=here", "launch kubernetes: .: expected a folder of its own, e.g. runs/mini for a run"),
    ],
)
def test_what_kubernetes_would_not_take_is_refused(option: str, words: str, capsys: pytest.CaptureFixture) -> None:
    asked = ["launch", "kubernetes", "--encoder=dino", "--dataset=cifar10", "--device=cpu", "--claim=study", option]
    assert main(asked) == 3
    assert capsys.readouterr().err == f"error: {words}\n"


def test_a_name_has_room_for_the_index_of_a_pod() -> None:
    name = jobs(run=None, variants=["keypoint-box=full"])[0]["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9-]{1,45}", name)
    assert name == "part-aware-mini-keypoint-box-full"
