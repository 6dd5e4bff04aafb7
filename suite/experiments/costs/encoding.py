"""Cost of drawing views and encoding them."""

from __future__ import annotations

from collections.abc import Collection

from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.shape import Shape
from suite.experiments.costs.task import Split, Task
from suite.features import BESIDE, kept_beside
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
    limit = task.request.cache_gb * 1e9
    requested = {name: attribute_width(task.shape, name) for name in keep}
    others = {name: attribute_width(task.shape, name) for name in BESIDE}
    widths = [*requested.values(), *(others[name] for name in (kept_beside(requested, others) if limit else []))]
    sizes = [4 * split.views * width for width in widths]
    job.host_bytes += sum(sizes)
    job.features_bytes += sum(size for size in sizes if size <= limit)


def attribute_width(shape: Shape, attribute: str) -> int:
    """Count the numbers that an attribute of `suite.features.Features` has for a view."""
    width = shape.architecture.embed_dim
    return {"encoded": width, "cls": width, "projected": shape.projected, "tokens": shape.tokens * width}[attribute]
