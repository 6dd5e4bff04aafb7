"""What a trial has to do, experiment by experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from suite.core.memory import available_bytes, total_device_bytes
from suite.experiments.heads import PASS
from suite.experiments.imagenet import KEPT_BYTES
from suite.experiments.probing import EVALUATED_AT_ONCE, attention_heads
from suite.experiments.retrieval import compared
from suite.experiments.test_patch_search import CHUNK
from suite.features import CACHE_BYTES
from suite.plan.jobs import Job, Operation, Task, about
from suite.plan.published import Split
from suite.plan.shapes import Shape
from suite.probes.retrieval import ranking_bytes
from suite.probes.sources import are_kept, are_kept_on_device, token_bytes
from suite.protocol.profiles import Experiment

DISTINCT_CROPS = {1: 1.0, 2: 1.45, 3: 1.65}
"""Crops to encode for each crop of a step, by the number of label sets that share it: measured on the mini study over
20 steps (Pascal's two sets 1.43 to 1.47, ADE20K's three 1.60 to 1.66)."""


def job_of(tasks: Sequence[Task]) -> Job:
    """The work of one trial, of segmentation trials of the same images and encoder, or of encoders on one stream."""
    first = tasks[0]
    if "crop_px" in first.experiment.parameters:
        return _segmenting(tasks)
    jobs = [_WORK[task.experiment.name](task) for task in tasks]
    return jobs[0] if len(jobs) == 1 else _sharing(jobs)


def _sharing(jobs: Sequence[Job]) -> Job:
    """Encoders on one stream: an image of a size is read and decoded once for all of them."""
    keys = tuple(key for each in jobs for key in each.keys)
    job = Job(keys, counted=all(each.counted for each in jobs), devices=jobs[0].devices)
    job.images = max(each.images for each in jobs)
    for each in jobs:
        for operation, count in each.steps.items():
            job.steps[operation] += count
        for operation, count in each.reading.items():
            job.reading[operation] = max(job.reading[operation], count)
    for name in ("encoded", "flops", "host_bytes", "device_bytes", "features_bytes", "checkpoint_bytes"):
        setattr(job, name, sum(getattr(each, name) for each in jobs))
    return job


def _encoding(task: Task, job: Job, split: Split, *, files: float, times: int = 1) -> None:
    """Views of a split, drawn and encoded `times`; each time `files` images are decoded."""
    size = task.shape.architecture.image_size
    job.read(times * files, split.pixels)
    job.reading[Operation("draw", sizes=(size,))] += times * split.views
    filled = times * task.filled(split.views)
    job.encode(task.shape, size, task.batch_size, "float32", times * split.views, filled=filled)


def _extracting(task: Task, job: Job, name: str, keep: Collection[str]) -> None:
    """`suite.features.extract` of a split."""
    split = task.splits[name]
    _encoding(task, job, split, files=split.files)
    size = 4 * split.views * sum(_width(task.shape, each) for each in set(keep))
    job.host_bytes += size
    job.features_bytes += size if size <= CACHE_BYTES else 0


def _width(shape: Shape, kept: str) -> int:
    """Numbers that an attribute of `suite.features.Features` has for a view."""
    width = shape.architecture.embed_dim
    return {"encoded": width, "cls": width, "projected": shape.projected, "tokens": shape.tokens * width}[kept]


def _retrieving(task: Task) -> Job:
    job = task.job()
    views = task.splits["all"].views
    vectors = compared(task.settings, task.request.variants["encoder-token"])
    _extracting(task, job, "all", vectors.values())
    widths = [_width(task.shape, kept) for kept in vectors.values()]
    for width in widths:
        job.steps[Operation("rank")] += views**2 * math.log2(max(2, views))
        job.steps[Operation("match")] += 2 * views**2 * width
    job.host_bytes += max(ranking_bytes(views, width) for width in widths)
    return job


def _probes(task: Task, classes: int, batch: int) -> tuple[int, ...]:
    """Sizes of `fit` and `predict`."""
    width = task.shape.architecture.embed_dim
    return width, task.shape.tokens, classes, attention_heads(width, task.experiment["num_heads"]), batch


def _probing(task: Task) -> Job:
    job, shape, batch = task.job(), task.shape, task.experiment["batch_size"]
    rounds = task.experiment["epochs"] * len(task.request.seeds)
    free, on_device = available_bytes(), total_device_bytes(task.request.device)
    for name in ("train", "val"):
        split = task.splits[name]
        size = token_bytes(split.views, shape.tokens, shape.architecture.embed_dim)
        if are_kept(size, free):
            _extracting(task, job, name, ["tokens"])
            free -= size
        elif are_kept_on_device(size, on_device):
            _encoding(task, job, split, files=split.files)
            job.device_bytes += size
            on_device -= size
        else:  # in random order, so that an image is decoded for each of its views
            _encoding(task, job, split, files=split.views if split.files else 0, times=rounds)
            held = 2 * token_bytes(min(batch, split.views), shape.tokens, shape.architecture.embed_dim)
            job.device_bytes += held
            job.host_bytes += held
    train, val = task.splits["train"], task.splits["val"]
    sizes = _probes(task, train.classes, batch)
    job.steps[Operation("fit", sizes=sizes)] += rounds * train.views
    job.steps[Operation("predict", sizes=sizes)] += rounds * val.views
    return job


def _streaming(task: Task) -> Job:
    job, experiment, shape = task.job(), task.experiment, task.shape
    train, val = task.splits["train"], task.splits["val"]
    side, seeds, epochs = shape.architecture.image_size, len(task.request.seeds), experiment["epochs"]
    job.devices = task.request.processes_per_probe if task.request.device == "cuda" else 1
    per_image = token_bytes(1, shape.tokens, shape.architecture.embed_dim)
    kept = experiment["augmented_views"]
    passes = {"train": kept or epochs, "val": 1 if per_image * val.views <= KEPT_BYTES else epochs}
    for name, split in (("train", train), ("val", val)):
        views = seeds * passes[name] * split.views
        job.images += views
        job.reading[Operation("stream", sizes=(side, about(split.pixels)))] += views
        filled = seeds * passes[name] * task.filled(split.views)
        job.encode(shape, side, task.batch_size, task.precision, views, filled=filled)
    cae = task.request.variants["imagenet-protocol"] == "cae"
    batch = experiment["cae_batch_attentive" if cae else "batch_size"]
    sizes = _probes(task, train.classes, batch)
    job.steps[Operation("fit", sizes=sizes)] += seeds * epochs * train.views
    job.steps[Operation("predict", sizes=sizes)] += seeds * epochs * val.views
    held = kept * train.views + (val.views if passes["val"] == 1 else EVALUATED_AT_ONCE)
    job.host_bytes = per_image * held
    job.device_bytes += per_image * batch
    width = shape.architecture.embed_dim
    job.checkpoint_bytes = seeds * 8 * (2 * train.classes * width + 4 * width**2)
    return job


def _classifying(task: Task) -> Job:
    """Streamed, where the protocol augments; else from tokens made once, as parts are."""
    return _streaming(task) if "augmented_views" in task.experiment.parameters else _probing(task)


def _searching(task: Task) -> Job:
    job, experiment, split = task.job(), task.experiment, task.splits["all"]
    view, enlarged, stride = experiment["view_px"], experiment["enlarged_px"], experiment["stride_px"]
    per_image = len(range(0, enlarged - task.request.profile["image_size"] + 1, stride)) ** 2
    crops, queries = split.views * per_image, len(experiment["queries"])
    chunks = [min(CHUNK, split.views - start) * per_image for start in range(0, split.views, CHUNK)]
    job.read(split.files, split.pixels)
    job.reading[Operation("draw", sizes=(view,))] += split.views
    job.reading[Operation("draw", sizes=(enlarged,))] += split.views
    side = task.shape.architecture.image_size
    job.reading[Operation("draw", sizes=(side,))] += crops
    filled = sum(task.filled(views) for views in [queries, *chunks])
    job.encode(task.shape, side, task.batch_size, "float32", crops + queries, filled=filled)
    widths = [_width(task.shape, setting) for setting in task.settings]
    chunk, scores = min(CHUNK, split.views), crops * queries * len(widths)
    # vectors as they come, of unit length, and the last of the chunk before; scores in chunks, then together
    numbers = chunk * per_image * (2 * sum(widths) + max(widths)) + 2 * scores
    job.host_bytes = 4 * numbers + chunk * 3 * enlarged**2
    return job


def _segmenting(tasks: Sequence[Task]) -> Job:
    """A bank of heads: each image is decoded once, each distinct crop and each window encoded once."""
    first = tasks[0]
    experiment, request, shape = first.experiment, first.request, first.shape
    own = _sizes_of(experiment, first.dataset, shape.architecture.patch_size)
    train, val = first.splits["train"], first.splits["val"]
    heads = [(task, setting) for task in tasks for setting in task.settings]
    sets = {task.dataset: task for task in tasks}
    # a head of the sweep at the primary rate is the head of the other experiment
    distinct = {(task.dataset, _rate(setting, task.experiment["lr"])): task for task, setting in heads}
    iterations = min(experiment["iterations"], request.limit or experiment["iterations"])
    batch = min(experiment["batch_size"], train.views)
    count = experiment["evaluations"]
    evaluations = len({round(iterations * k / count) for k in range(1, count)} - {0, iterations}) + 1
    seeds = len(request.seeds)
    job = Job(tuple(task.key for task in tasks), counted=train.counted and val.counted)

    def encode(times: int, crops: float, filled: float) -> None:
        job.encode(shape, own["crop_px"], PASS, first.precision, seeds * times * crops, filled=seeds * times * filled)

    crops, windows = DISTINCT_CROPS[len(sets)] * batch, val.views * val.windows
    # the last pass is filled up; where label sets differ, by half a pass on average
    encode(iterations, crops, _whole(crops) if len(sets) == 1 or crops < PASS else crops + (PASS - 1) / 2)
    encode(evaluations, windows, _whole(windows))
    channels = len(experiment["blocks"]) * shape.architecture.embed_dim
    grid = own["crop_px"] // shape.architecture.patch_size
    crop = (own["crop_px"], *own["train_scale"], about(train.pixels), len(sets))
    job.steps[Operation("crop", sizes=crop)] += seeds * iterations * batch
    slide = (own["crop_px"], own["stride_px"], *own["test_scale"], about(val.pixels))
    for task in distinct.values():
        classes = task.splits["train"].classes
        learn = Operation("learn", first.precision, (channels, grid, own["crop_px"], classes))
        job.steps[learn] += seeds * iterations * batch
        job.steps[Operation("score", sizes=(channels, grid, classes, *slide))] += seeds * evaluations * val.views
        job.checkpoint_bytes += seeds * 3 * 4 * (channels + 1) * classes
    for split in (train, val):
        job.host_bytes += split.views * split.pixels * (3 + len(sets))
        job.steps[Operation("decode", sizes=(about(split.pixels),))] += seeds * split.files
        job.images += seeds * split.files
    return job


def _whole(crops: float) -> int:
    """Crops that the passes over them have room for."""
    return math.ceil(crops / PASS) * PASS


def _sizes_of(experiment: Experiment, dataset: str, patch: int) -> Mapping[str, Any]:
    """Sizes of a segmentation set, its crop in whole patches."""
    own = {key: experiment[key][dataset] for key in ("crop_px", "train_scale", "test_scale", "stride_px")}
    return own | {"crop_px": patch * max(1, round(own["crop_px"] / patch))}


def _rate(setting: str, primary: float) -> float:
    return float(setting.removeprefix("lr_")) if setting.startswith("lr_") else primary


_WORK: Mapping[str, Callable[[Task], Job]] = {
    "object_retrieval": _retrieving,
    "part_retrieval": _retrieving,
    "part_classification": _probing,
    "image_classification": _classifying,
    "patch_search": _searching,
}
