"""Cost of segmentation heads that train side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from suite.experiments.costs.job import Job, Operation, about
from suite.experiments.costs.task import Task
from suite.experiments.heads import PASS, crop_px, evaluated_at, iterations_of, rate_of
from suite.protocol.settings import SegmentationSettings

DISTINCT_CROPS = {1: 1.0, 2: 1.45, 3: 1.65}
"""Crops to encode for each crop of a step, by the number of label sets that share it: measured on the mini study over
20 steps (Pascal's two sets 1.43 to 1.47, ADE20K's three 1.60 to 1.66)."""


def segmenting(tasks: Sequence[Task[SegmentationSettings]]) -> Job:
    """Count a bank of heads: each image decoded once, each distinct crop and each window encoded once."""
    first = tasks[0]
    settings, request, shape = first.settings, first.request, first.shape
    dataset, side = first.dataset, crop_px(settings, first.dataset, shape.architecture.patch_size)
    train, val = first.splits["train"], first.splits["val"]
    heads = [(task, setting) for task in tasks for setting in task.cell_settings]
    sets = {task.dataset: task for task in tasks}
    # a head of the sweep at the primary rate is the head of the other experiment
    distinct = {(task.dataset, rate_of(setting, task.settings.lr)): task for task, setting in heads}
    iterations = iterations_of(settings, request.limit)
    batch = min(settings.batch_size, train.views)
    evaluations = len(evaluated_at(iterations, settings.evaluations) - {0}) + 1
    seeds, precision = len(request.seeds), first.precision(settings.autocast)
    job = Job(tuple(task.key for task in tasks), counted=train.counted and val.counted)

    def encode(times: int, crops: float, filled: float) -> None:
        job.encode(shape, side, PASS, precision, seeds * times * crops, filled=seeds * times * filled)

    crops, windows = DISTINCT_CROPS[len(sets)] * batch, val.views * val.windows
    # the last pass is filled up; where label sets differ, by half a pass on average
    encode(iterations, crops, _whole(crops) if len(sets) == 1 or crops < PASS else crops + (PASS - 1) / 2)
    encode(evaluations, windows, _whole(windows))
    channels = len(settings.blocks) * shape.architecture.embed_dim
    grid = side // shape.architecture.patch_size
    crop = (side, *settings.train_scale[dataset], about(train.pixels), len(sets))
    job.steps[Operation("crop", sizes=crop)] += seeds * iterations * batch
    slide = (side, settings.stride_px[dataset], *settings.test_scale[dataset], about(val.pixels))
    for task in distinct.values():
        classes = task.splits["train"].classes
        learn = Operation("learn", precision, (channels, grid, side, classes))
        job.steps[learn] += seeds * iterations * batch
        job.steps[Operation("score", sizes=(channels, grid, classes, *slide))] += seeds * evaluations * val.views
        job.checkpoint_bytes += seeds * 3 * 4 * (channels + 1) * classes
    for split in (train, val):
        job.host_bytes += split.views * split.pixels * (3 + len(sets))
        job.steps[Operation("decode", sizes=(about(split.pixels),))] += seeds * split.files
        job.images += seeds * split.files
    return job


def _whole(crops: float) -> int:
    """Count the crops that the passes over them have room for."""
    return math.ceil(crops / PASS) * PASS
