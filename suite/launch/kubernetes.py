"""Kubernetes: an Indexed Job of shards in the pinned image, closed as the container is, and a Job that reports."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.container.mounts import INSIDE, USER
from suite.container.run import KERNELS
from suite.errors import RequestError
from suite.launch.templating import one_line, render
from suite.run.request import Request


@dataclass(frozen=True)
class Job:
    """Details of how shards become pods.

    Attributes:
        image: its name, best with the digest.
        claim: volume that every node can write.
        count: of shards.
        at_once: pods at the same time, at most; None for all.
        memory: of a pod, as Kubernetes writes it.
        cpus: of a pod.
        execution: options of `reproduce` that are no part of the request.
    """

    image: str
    claim: str
    count: int
    at_once: int | None = None
    memory: str = "64Gi"
    cpus: int = 8
    execution: Sequence[str] = ()


@dataclass(frozen=True)
class Mount:
    """A folder of the claim.

    Attributes:
        folder: in the claim.
        target: in the container.
    """

    folder: str
    target: str
    read_only: bool


def manifest(request: Request, job: Job) -> str:
    """Return both Jobs as YAML; the report's waits until somebody lets it begin: Kubernetes knows no order of Jobs.

    Raises:
        RequestError: a name that Kubernetes does not take.
    """
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", job.claim):
        raise RequestError(f"--claim {job.claim!r}: expected a name of small letters, digits, - and .")
    if not re.fullmatch(r"[1-9][0-9]{0,8}([KMGT]i?)?", job.memory):
        raise RequestError(f"--memory {job.memory!r}: expected a size as Kubernetes writes it, e.g. 64Gi")
    words = ["python", "-m", "suite", "reproduce", "--runtime=venv", *request.arguments(), *job.execution]
    shard_line = f'exec {one_line(shlex.join(words))} --shard "$((JOB_COMPLETION_INDEX + 1))/{job.count}"'
    declared = {"container": "kubernetes", "SUITE_RUNTIME": "kubernetes", "SUITE_IMAGE": job.image}
    digest = job.image.partition("@")[2]
    return render(
        "kubernetes.yaml",
        name=_name(request.run),
        image=job.image,
        claim=job.claim,
        count=job.count,
        at_once=min(job.at_once or job.count, job.count),
        memory=job.memory,
        cpus=job.cpus,
        gpus=request.processes_per_probe if request.device == "cuda" else 0,
        uid=USER[0],
        gid=USER[1],
        kernels=KERNELS,
        environment=declared | ({"SUITE_IMAGE_DIGEST": digest} if digest else {}),
        mounts=_mounts(request),
        shard_command=["sh", "-c", shard_line],
        report_command=["python", "-m", "suite", "report", str(request.run)],
    )


def _name(run: Path) -> str:
    """Return a name for the Jobs: letters, digits and dashes, with room for the index of a pod."""
    words = re.sub(r"[^a-z0-9]+", "-", run.absolute().name.lower()).strip("-")
    return f"part-aware-{words[:30]}".strip("-")


def _mounts(request: Request) -> list[Mount]:
    """List folders of the claim by their purpose; the mini study is drawn, under a lock beside its folder."""
    is_mini = request.profile.name == "mini"
    places = [("runs", request.run.parent), ("cache", request.cache)]
    places += [("data", request.data.parent)] if is_mini else [("data", request.data), ("weights", request.weights)]
    mounts = []
    for folder, path in places:
        target = os.path.normpath(INSIDE / path.as_posix())
        if target == "/" or INSIDE.is_relative_to(target):
            raise RequestError(f"launch kubernetes: {path}: expected a folder of its own, e.g. runs/mini for a run")
        mounts.append(Mount(folder, target, read_only=folder in {"data", "weights"} and not is_mini))
    return mounts
