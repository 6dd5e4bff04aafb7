"""Trials that are measured together, and the work that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from suite.experiments.base import page_of
from suite.experiments.costs.job import Job
from suite.experiments.costs.task import Task
from suite.run.groups import group_of

AnyTask = Task[Any]


def job_of(tasks: Sequence[AnyTask]) -> Job:
    """Count work of a trial, of segmentation trials of the same images and encoder, or of encoders on one stream."""
    return page_of(tasks[0].experiment.name).cost(tasks)


def together(tasks: Sequence[AnyTask]) -> Iterator[list[AnyTask]]:
    """Group trials that one process takes together (`suite.run.groups`).

    Sets of a family are taken to be of the same images if they are as many. Tests run in the order of their pages'
    names, so the first of a group, which a report books the time under, is the first by experiment.
    """
    groups: dict[object, list[AnyTask]] = {}
    for task in sorted(tasks, key=lambda task: task.experiment.name):
        images = tuple(split.views for split in task.splits.values())
        group = group_of(task.request, task.experiment, task.dataset, task.spec)
        groups.setdefault((group, images), []).append(task)
    yield from groups.values()
