"""Cost of probes on a stream of augmented images."""

from __future__ import annotations

from collections.abc import Sequence

from suite.experiments.costs.job import Job, Operation, about
from suite.experiments.costs.probing import probe_sizes
from suite.experiments.costs.task import Task
from suite.experiments.imagenet import stays
from suite.experiments.probing import EVALUATED_AT_ONCE
from suite.probes.sources import token_bytes
from suite.protocol.settings import StreamSettings


def sharing(jobs: Sequence[Job]) -> Job:
    """Count encoders on one stream: an image of a size is read and decoded once for all of them."""
    keys = tuple(key for member in jobs for key in member.keys)
    job = Job(keys, counted=all(member.counted for member in jobs), devices=jobs[0].devices)
    job.images = max(member.images for member in jobs)
    for member in jobs:
        for operation, count in member.steps.items():
            job.steps[operation] += count
        for operation, count in member.reading.items():
            job.reading[operation] = max(job.reading[operation], count)
    for name in ("encoded", "flops", "host_bytes", "device_bytes", "features_bytes", "checkpoint_bytes"):
        setattr(job, name, sum(getattr(member, name) for member in jobs))
    return job


def streaming(tasks: Sequence[Task[StreamSettings]]) -> Job:
    """Count every image anew in every epoch, but for what is kept; for one encoder, or several on one stream."""
    jobs = [_alone(task) for task in tasks]
    return jobs[0] if len(jobs) == 1 else sharing(jobs)


def _alone(task: Task[StreamSettings]) -> Job:
    job, settings, shape = task.job(), task.settings, task.shape
    train, val = task.splits["train"], task.splits["val"]
    side, seeds, epochs = shape.architecture.image_size, len(task.request.seeds), settings.epochs
    job.devices = task.request.processes_per_probe if task.request.device == "cuda" else 1
    per_image = token_bytes(1, shape.tokens, shape.architecture.embed_dim)
    augmented_views = settings.augmented_views
    passes = {"train": augmented_views or epochs, "val": 1 if stays(per_image * val.views) else epochs}
    for name, split in (("train", train), ("val", val)):
        views = seeds * passes[name] * split.views
        job.images += views
        job.reading[Operation("stream", sizes=(side, about(split.pixels)))] += views
        filled = seeds * passes[name] * task.filled(split.views)
        job.encode(shape, side, task.batch_size, task.precision(settings.autocast), views, filled=filled)
    cae = task.request.variants["imagenet-protocol"] == "cae"
    batch = settings.cae_batch_attentive if cae else settings.batch_size
    sizes = probe_sizes(task, train.classes, batch)
    job.steps[Operation("fit", sizes=sizes)] += seeds * epochs * train.views
    job.steps[Operation("predict", sizes=sizes)] += seeds * epochs * val.views
    held_views = augmented_views * train.views + (val.views if passes["val"] == 1 else EVALUATED_AT_ONCE)
    job.host_bytes = per_image * held_views
    job.device_bytes += per_image * batch
    width = shape.architecture.embed_dim
    job.checkpoint_bytes = seeds * 8 * (2 * train.classes * width + 4 * width**2)
    return job
