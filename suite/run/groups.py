"""Trials that one process takes together, where a run has several.

pytest-xdist has marks for this (`--dist=loadgroup`), which travel in node IDs; from pytest 9.2 on they get lost there,
and every trial goes anywhere (pytest-dev/pytest-xdist#1386). So a run schedules by its own request instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from xdist.scheduler import LoadScopeScheduling

from suite.core.processors import usable_processors
from suite.protocol.profiles import Experiment
from suite.registry import EXPERIMENTS, images_of
from suite.run.request import Request


def group_of(request: Request, experiment: Experiment, dataset: str, spec: str) -> str:
    """Name a trial's group: heads of one encoder on the same images, encoders on one stream, else the trial alone."""
    if request.share_stream and EXPERIMENTS[experiment.name].kind == "streamed probing":
        return f"stream of {dataset}"
    images = images_of(dataset)
    return f"{images} {spec}" if images else str(request.key(experiment, dataset, spec))


def groups_of(request: Request) -> dict[str, str]:
    """Map trial (`str(key)`, which names its test) to group."""
    return {str(request.key(*task)): group_of(request, *task) for task in request.tasks()}


COSTS = {
    ("image_classification", "imagenet1k"): 4208.3,
    ("object_segmentation", "ade20k"): 912.1,
    ("object_segmentation", "ade20k_object"): 912.1,
    ("part_segmentation", "ade20k_part"): 912.1,
    ("object_segmentation", "pascal_object"): 706.0,
    ("part_segmentation", "pascal_part"): 706.0,
    ("part_classification", "coco"): 521.9,
    ("learning_rate_sweep", "lip"): 215.4,
    ("part_segmentation", "lip"): 215.4,
    ("part_classification", "cub200"): 96.6,
    ("patch_search", "imagenet1k"): 43.0,
    ("part_retrieval", "coco"): 5.8,
    ("object_retrieval", "coco"): 1.3,
    ("part_retrieval", "cub200"): 1.1,
    ("object_retrieval", "cifar10"): 0.4,
}
"""PFLOP of the encoder for a trial's group in the paper profile (`python -m suite plan --profile paper` with 20 GB of
memory free: with less, tokens are computed anew in each epoch), fixed so that all machines order groups alike, whatever
each has of data, memory and rates."""


def ordered_groups(request: Request) -> list[list[str]]:
    """Return the trials of each group, groups that cost most first, ties by name: by the request alone.

    What takes long must not begin last where several machines take groups in turn (Graham, Bounds on multiprocessing
    timing anomalies, 1969).
    """
    groups: dict[str, list[str]] = {}
    for trial, group in groups_of(request).items():
        groups.setdefault(group, []).append(trial)
    return sorted(groups.values(), key=lambda trials: (-max(map(_cost, trials)), trials))


def _cost(trial: str) -> float:
    experiment, dataset, _ = trial.split("/", 2)
    return COSTS.get((experiment, dataset), 0.0)


def processes_for(request: Request, groups: int, workers: int | None = None) -> int:
    """Count processes of a run: one per core on the CPU, as such small models gain little from threads; one per GPU.

    Args:
        request: its device, and the GPUs that a probe takes.
        groups: to be measured; one process if there is none.
        workers: at most so many.
    """
    places = usable_processors()
    if request.device == "cuda":
        import torch

        places = torch.cuda.device_count() // request.processes_per_probe
    return max(1, min(groups, places, workers or places))


class GroupScheduling(LoadScopeScheduling):
    """xdist's scheduling of whole scopes, with the groups of a request as scopes; those of most trials go first."""

    def __init__(self, config: pytest.Config, log: object, groups: Mapping[str, str]) -> None:
        """Take over groups; see `groups_of`."""
        super().__init__(config, log)
        self.groups = groups

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test: `test_page.py::test_page[trial]`."""
        return self.groups.get(nodeid.partition("[")[2].removesuffix("]"), nodeid)
