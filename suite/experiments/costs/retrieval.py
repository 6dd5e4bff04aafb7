"""Cost of object and part retrieval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from suite.experiments.costs.encoding import attribute_width, extracting
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.task import Task
from suite.experiments.retrieval import compared
from suite.probes.retrieval import ranking_bytes
from suite.protocol.settings import Settings


def retrieving(tasks: Sequence[Task[Settings]]) -> Job:
    """Count one pass of the encoder, and for each of its vectors the product of all pairs, ranked."""
    [task] = tasks
    job = task.job()
    views = task.splits["all"].views
    vectors = compared(task.cell_settings, task.request.variants["encoder-token"])
    extracting(task, job, "all", vectors.values())
    widths = [attribute_width(task.shape, name) for name in vectors.values()]
    for width in widths:
        job.steps[Operation("rank")] += views**2 * math.log2(max(2, views))
        job.steps[Operation("match")] += 2 * views**2 * width
    job.host_bytes += max(ranking_bytes(views, width) for width in widths)
    return job
