"""Cost of drawing views and encoding them."""

from __future__ import annotations

from collections.abc import Collection

from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Split, Task
from suite.features import CACHE_BYTES
from suite.protocol.settings import Settings


def encoding(task: Task[Settings], job: Job, split: Split, *, files: float, times: int = 1) -> None:
    """Count drawing and encoding a split's views `times`; each time `files` images are decoded."""
    size = task.shape.architecture.image_size
    job.read(times * files, split.pixels)
    job.reading[Operation("draw", sizes=(size,))] += times * split.views
    filled = times * task.filled(split.views)
    job.encode(task.shape, size, task.batch_size, "float32", times * split.views, filled=filled)


def extracting(task: Task[Settings], job: Job, name: str, keep: Collection[str]) -> None:
    """Count `suite.features.extract` of a split."""
    split = task.splits[name]
    encoding(task, job, split, files=split.files)
    size = 4 * split.views * sum(attribute_width(task.shape, attribute) for attribute in set(keep))
    job.host_bytes += size
    job.features_bytes += size if size <= CACHE_BYTES else 0


def attribute_width(shape: Shape, attribute: str) -> int:
    """Count the numbers that an attribute of `suite.features.Features` has for a view."""
    width = shape.architecture.embed_dim
    return {"encoded": width, "cls": width, "projected": shape.projected, "tokens": shape.tokens * width}[attribute]
