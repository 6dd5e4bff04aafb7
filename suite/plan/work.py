"""What a trial has to do, counted in operations whose duration a calibration knows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suite.experiments.heads import PASS
from suite.experiments.imagenet import KEPT_BYTES
from suite.experiments.probing import EVALUATED_AT_ONCE, attention_heads
from suite.plan.counts import Splits
from suite.plan.shapes import Shape
from suite.protocol import Experiment
from suite.request import Request
from suite.results import Key

DISTINCT_CROPS = {1: 1.0, 2: 1.45, 3: 1.65}
"""Crops to encode for each crop of a step, by the number of label sets that share it: measured on the mini study over
20 steps (Pascal's two sets 1.43 to 1.47, ADE20K's three 1.60 to 1.66)."""


@dataclass(frozen=True)
class Operation:
    """One kind of work at one size.

    Attributes:
        kind: `encode` (unit: an image), `decode` and `stream` (an image, the second augmented), `draw` (a view, cut and
            resized), `rank` (a pair of items, times log2 of their number), `match` (a floating-point
            operation of a float32 matrix product), `fit` and `predict` (an item, both probes), `crop` (a training
            crop), `learn` (a crop, one head), `score` (a validation image, one head).
        subject: name of the encoder's shape, and precision, for `encode`.
        sizes: what its duration depends on.
    """

    kind: str
    subject: str = ""
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, *([self.subject] if self.subject else []), *map(str, self.sizes)])


Amounts = defaultdict[Operation, float]
"""Units of each operation."""


def _none() -> Amounts:
    return defaultdict(float)


@dataclass
class Job:
    """Trials that are measured together: one, or those whose segmentation heads train side by side.

    Attributes:
        keys: the trials; a report books the whole time under the first.
        images: files to read, each time counted.
        encoded: images, crops and windows to encode.
        flops: of the encoder.
        steps: amounts of work that follow each other.
        reading: amounts of work of the reading threads, which a GPU does not wait for.
        host_bytes: largest tensors in memory at a time.
        device_bytes: of weights, activations and decoded images, roughly.
        features_bytes: of the entry in the cache of features.
        checkpoint_bytes: of checkpoints, which stay.
        counted: whether the counts are those of the files.
    """

    keys: tuple[Key, ...]
    images: float = 0
    encoded: float = 0
    flops: float = 0
    steps: Amounts = field(default_factory=_none)
    reading: Amounts = field(default_factory=_none)
    host_bytes: float = 0
    device_bytes: float = 0
    features_bytes: float = 0
    checkpoint_bytes: float = 0
    counted: bool = True

    def encode(self, shape: Shape, side: int, batch: int, precision: str, count: float) -> None:
        """Add a forward pass of `count` images of `side` pixels."""
        self.steps[Operation("encode", f"{shape.name} {precision}", (side, batch))] += count
        self.encoded += count
        self.flops += count * shape.flops(side)
        tokens = 1 + (side // shape.architecture.patch_size) ** 2
        # of a block at a time: tokens, query, key, value, hidden layer
        activations = batch * tokens * shape.architecture.embed_dim * 4 * 10
        self.device_bytes = max(self.device_bytes, shape.weight_bytes + activations)

    def read(self, files: float, pixels: float) -> None:
        """Add reading and decoding of `files` images of `pixels` on average."""
        self.images += files
        self.reading[Operation("decode", sizes=(about(pixels),))] += files


@dataclass(frozen=True)
class Task:
    """A trial to be planned."""

    request: Request
    experiment: Experiment
    dataset: str
    spec: str
    shape: Shape
    splits: Splits

    @property
    def key(self) -> Key:
        """Where its result is stored."""
        return self.request.key(self.experiment, self.dataset, self.spec)

    @property
    def batch_size(self) -> int:
        """Views a pass."""
        size: int = self.request.profile["batch_size"]
        return size

    @property
    def precision(self) -> str:
        """Of the encoder's matrix products, where the experiment lowers it on a GPU."""
        return "float32" if self.request.device == "cpu" else _lowered(self.experiment)

    @property
    def settings(self) -> list[str]:
        """The settings that this encoder can be measured in."""
        return [s for s in self.experiment.settings if s != "projected" or self.shape.projected]

    def job(self) -> Job:
        """An empty one."""
        return Job((self.key,), counted=all(split.counted for split in self.splits.values()))


def job_of(tasks: Sequence[Task]) -> Job:
    """The work of one trial, or of segmentation trials of the same images and encoder."""
    first = tasks[0]
    if "crop_px" in first.experiment.parameters:
        return _segmenting(tasks)
    return _WORK[first.experiment.name](first)


def about(pixels: float) -> int:
    """Pixels to two digits, so that sets of nearly the same images share a rate."""
    return int(float(f"{pixels:.1e}"))


def _lowered(experiment: Experiment) -> str:
    lower = experiment["autocast"]
    return "float32" if lower == "none" else str(lower)


def _extracting(task: Task, job: Job, names: Sequence[str], *, tokens: bool) -> None:
    """`suite.features.extract` of some splits."""
    shape, size = task.shape, task.shape.architecture
    for name in names:
        split = task.splits[name]
        job.read(split.files, split.pixels)
        job.reading[Operation("draw", sizes=(size.image_size,))] += split.views
        job.encode(shape, size.image_size, task.batch_size, "float32", split.views)
        vectors = 2 * size.embed_dim + shape.projected + tokens * shape.tokens * size.embed_dim
        job.features_bytes += 4 * split.views * vectors
    job.host_bytes += job.features_bytes


def _retrieving(task: Task) -> Job:
    job = task.job()
    _extracting(task, job, ["all"], tokens=False)
    views = task.splits["all"].views
    for setting in task.settings:
        width = task.shape.projected if setting == "projected" else task.shape.architecture.embed_dim
        job.steps[Operation("rank")] += views**2 * math.log2(max(2, views))
        job.steps[Operation("match")] += 2 * views**2 * width
    return job


def _probes(task: Task, classes: int, batch: int) -> tuple[int, ...]:
    """Sizes of `fit` and `predict`."""
    width = task.shape.architecture.embed_dim
    return width, task.shape.tokens, classes, attention_heads(width, task.experiment["num_heads"]), batch


def _probing(task: Task) -> Job:
    job = task.job()
    _extracting(task, job, ["train", "val"], tokens=True)
    train, val = task.splits["train"], task.splits["val"]
    sizes = _probes(task, train.classes, task.experiment["batch_size"])
    rounds = task.experiment["epochs"] * len(task.request.seeds)
    job.steps[Operation("fit", sizes=sizes)] += rounds * train.views
    job.steps[Operation("predict", sizes=sizes)] += rounds * val.views
    return job


def _streaming(task: Task) -> Job:
    job, experiment, shape = task.job(), task.experiment, task.shape
    train, val = task.splits["train"], task.splits["val"]
    side, seeds, epochs = shape.architecture.image_size, len(task.request.seeds), experiment["epochs"]
    token_bytes = 4 * shape.tokens * shape.architecture.embed_dim
    kept = experiment["augmented_views"]
    passes = {"train": kept or epochs, "val": 1 if token_bytes * val.views <= KEPT_BYTES else epochs}
    for name, split in (("train", train), ("val", val)):
        views = seeds * passes[name] * split.views
        job.images += views
        job.reading[Operation("stream", sizes=(side, about(split.pixels)))] += views
        job.encode(shape, side, task.batch_size, task.precision, views)
    cae = task.request.variants["imagenet-protocol"] == "cae"
    batch = experiment["cae_batch_attentive" if cae else "batch_size"]
    sizes = _probes(task, train.classes, batch)
    job.steps[Operation("fit", sizes=sizes)] += seeds * epochs * train.views
    job.steps[Operation("predict", sizes=sizes)] += seeds * epochs * val.views
    held = kept * train.views + (val.views if passes["val"] == 1 else EVALUATED_AT_ONCE)
    job.host_bytes = token_bytes * held
    job.device_bytes += token_bytes * batch
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
    crops = split.views * per_image
    job.read(split.files, split.pixels)
    job.reading[Operation("draw", sizes=(view,))] += split.views
    job.reading[Operation("draw", sizes=(enlarged,))] += split.views
    side = task.shape.architecture.image_size
    job.reading[Operation("draw", sizes=(side,))] += crops
    job.encode(task.shape, side, task.batch_size, "float32", crops)
    job.host_bytes = 4 * crops * (task.shape.architecture.embed_dim + task.shape.projected)
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

    shared = DISTINCT_CROPS[len(sets)] * batch
    # a pass is filled up; where label sets differ, by half a pass on average
    passes = math.ceil(batch / PASS) * PASS if len(sets) == 1 else shared + (PASS - 1) / 2
    job.encode(shape, own["crop_px"], PASS, first.precision, seeds * iterations * passes)
    job.encode(shape, own["crop_px"], PASS, first.precision, seeds * evaluations * val.views * val.windows)
    channels = len(experiment["blocks"]) * shape.architecture.embed_dim
    grid = own["crop_px"] // shape.architecture.patch_size
    crop = (own["crop_px"], *own["train_scale"], about(train.pixels), len(sets))
    job.steps[Operation("crop", sizes=crop)] += seeds * iterations * batch
    slide = (own["crop_px"], own["stride_px"], *own["test_scale"], about(val.pixels))
    for task in distinct.values():
        classes = task.splits["train"].classes
        job.steps[Operation("learn", sizes=(channels, grid, own["crop_px"], classes))] += seeds * iterations * batch
        job.steps[Operation("score", sizes=(channels, grid, classes, *slide))] += seeds * evaluations * val.views
        job.checkpoint_bytes += seeds * 3 * 4 * (channels + 1) * classes
    for split in (train, val):
        job.host_bytes += split.views * split.pixels * (3 + len(sets))
        job.steps[Operation("decode", sizes=(about(split.pixels),))] += seeds * split.files
        job.images += seeds * split.files
    return job


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
