"""Cost of probes whose tokens are made once, or in every epoch where memory has no room for them."""

from __future__ import annotations

from collections.abc import Sequence

from suite.core.memory import available_bytes, total_device_bytes
from suite.experiments.costs.encoding import encoding, extracting
from suite.experiments.costs.job import Job, Operation
from suite.experiments.costs.task import Task
from suite.experiments.probing import attention_heads
from suite.probes.sources import are_kept, are_kept_on_device, token_bytes
from suite.protocol.settings import ProbingSettings


def probe_sizes(task: Task[ProbingSettings], classes: int, batch: int) -> tuple[int, ...]:
    """Return sizes of `fit` and `predict`."""
    width = task.shape.architecture.embed_dim
    return width, task.shape.tokens, classes, attention_heads(width, task.settings.num_heads), batch


def probing(tasks: Sequence[Task[ProbingSettings]]) -> Job:
    """Count tokens of both splits, as often as `Context.token_source` encodes them, and both probes on them."""
    [task] = tasks
    job, shape, batch = task.job(), task.shape, task.settings.batch_size
    rounds = task.settings.epochs * len(task.request.seeds)
    free, on_device = available_bytes(), total_device_bytes(task.request.device)
    for name in ("train", "val"):
        split = task.splits[name]
        size = token_bytes(split.views, shape.tokens, shape.architecture.embed_dim)
        if are_kept(size, free):
            extracting(task, job, name, ["tokens"])
            free -= size
        elif are_kept_on_device(size, on_device):
            encoding(task, job, split, files=split.files)
            job.device_bytes += size
            on_device -= size
        else:  # in random order, so that an image is decoded for each of its views
            encoding(task, job, split, files=split.views if split.files else 0, times=rounds)
            batch_bytes = 2 * token_bytes(min(batch, split.views), shape.tokens, shape.architecture.embed_dim)
            job.device_bytes += batch_bytes
            job.host_bytes += batch_bytes
    train, val = task.splits["train"], task.splits["val"]
    sizes = probe_sizes(task, train.classes, batch)
    job.steps[Operation("fit", sizes=sizes)] += rounds * train.views
    job.steps[Operation("predict", sizes=sizes)] += rounds * val.views
    return job
