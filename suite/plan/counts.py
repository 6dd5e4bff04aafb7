"""Size of a dataset: counted in its files where they are there, else as published."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from suite.datasets.openers import image_size
from suite.datasets.segmentation import SegmentationSet
from suite.datasets.views import ViewSet
from suite.errors import DatasetError, SuiteError
from suite.experiments.base import Page, page_of
from suite.experiments.context import Context
from suite.experiments.costs.task import Split
from suite.plan.published import PUBLISHED
from suite.probes.windows import sliding_windows
from suite.protocol.profiles import Experiment
from suite.protocol.settings import SegmentationSettings
from suite.run.request import Request
from suite.segmentation.resize import keep_ratio_size

_SAMPLE = 100
"""Images whose headers are read for the mean size of all."""

Splits = dict[str, Split]


def splits_of(request: Request, experiment: Experiment, dataset: str) -> Splits | None:
    """Count what an experiment uses of a dataset, by split, the request's limit applied.

    Args:
        request: where the data lie, variants, limit.
        experiment: of the profile.
        dataset: one of its datasets.

    Returns:
        None where the files are missing and nothing is published (the mini study's, before they are drawn).
    """
    page = page_of(experiment.name)
    splits = _read(page, Context(request, experiment, dataset, request.encoders[0]))  # items depend on no encoder
    if splits is None and request.profile.name != "mini":
        splits = {name: PUBLISHED[page.items][dataset][split] for name, split in page.splits[dataset].items()}
    if splits is None or request.limit is None or not page.takes_limit:
        return splits
    return {name: _limited(split, request.limit) for name, split in splits.items()}


def _read(page: Page[Any], trial: Context[Any]) -> Splits | None:
    """Count from the files; None where they are missing or damaged, which the run itself will say."""
    try:
        return {name: _count(trial, page.read(trial, split)) for name, split in page.splits[trial.dataset].items()}
    except SuiteError:
        return None


def _count(trial: Context[Any], items: ViewSet | SegmentationSet) -> Split:
    return _masks(trial, items) if isinstance(items, SegmentationSet) else _views(items)


def _views(views: ViewSet) -> Split:
    files = list(dict.fromkeys(view.image for view in views.views if isinstance(view.image, Path)))
    sizes = _sizes(files)
    return Split(len(views), len(files), _mean_px(sizes), len(views.class_names))


def _masks(trial: Context[SegmentationSettings], masks: SegmentationSet) -> Split:
    settings, dataset = trial.settings, trial.dataset
    files = [image for image, _ in masks.records]
    scale, crop, stride = settings.test_scale[dataset], settings.crop_px[dataset], settings.stride_px[dataset]
    sizes = _sizes(files)
    resized = [keep_ratio_size(height, width, scale) for width, height in sizes]
    windows = [len(sliding_windows(height, width, crop=crop, stride=stride)) for height, width in resized]
    return Split(len(files), len(files), _mean_px(sizes), masks.num_classes, float(np.mean(windows)))


def _sizes(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Read (width, height) of a sample, evenly spaced; a header that cannot be read is left out."""
    sizes = []
    for index in range(0, len(files), max(1, len(files) // _SAMPLE)):
        with suppress(DatasetError):
            sizes.append(image_size(files[index]))
    return sizes


def _mean_px(sizes: Sequence[tuple[int, int]]) -> float:
    return float(np.mean([width * height for width, height in sizes])) if sizes else 0.0


def _limited(split: Split, limit: int) -> Split:
    """Keep at most `limit` views, evenly spaced: of as many files, if there are."""
    views = min(split.views, limit)
    return replace(split, views=views, files=min(split.files, views))
