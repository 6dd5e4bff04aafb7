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
