"""How much a dataset holds: counted in its files where they are there, else as published."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from suite.datasets import cifar10, coco, cub200, dataset_root, imagenet1k, require
from suite.datasets.parts import part_views
from suite.datasets.segmentation import segmentation
from suite.datasets.views import ViewSet
from suite.errors import SuiteError
from suite.plan.published import PUBLISHED, Split
from suite.probes.segmentation import sliding_windows
from suite.protocol.profiles import Experiment
from suite.run.request import Request
from suite.segmentation.resize import keep_ratio_size

_SAMPLE = 100
"""Images whose headers are read for the mean size of all."""

Splits = dict[str, Split]


def splits_of(request: Request, experiment: Experiment, dataset: str) -> Splits | None:
    """What an experiment uses of a dataset, by split, the request's limit applied.

    Args:
        request: where the data lie, variants, limit.
        experiment: of the profile.
        dataset: one of its datasets.

    Returns:
        None where the files are missing and nothing is published (the mini study's, before they are drawn).
    """
    found = _read(request, experiment, dataset)
    if found is None and request.profile.name != "mini":
        found = PUBLISHED[experiment.name if experiment.name in PUBLISHED else "segmentation"][dataset]
    if found is None or request.limit is None or experiment.name == "patch_search":
        return found
    return {name: _limited(split, request.limit) for name, split in found.items()}


def _read(request: Request, experiment: Experiment, dataset: str) -> Splits | None:
    """Counts from the files; None where they are missing or damaged, which the run itself will say."""
    try:
        root = require(dataset_root(request.data, dataset), dataset)
        if "crop_px" in experiment.parameters:
            return {split: _masks(experiment, dataset, root, split) for split in ("train", "val")}
        return {name: _views(views()) for name, views in _READERS[experiment.name](request, dataset, root).items()}
    except SuiteError:
        return None


def _views(views: ViewSet) -> Split:
    files = list(dict.fromkeys(view.image for view in views.views if isinstance(view.image, Path)))
    sizes = _sizes(files)
    return Split(len(views), len(files), _mean_px(sizes), len(views.class_names))


def _masks(experiment: Experiment, dataset: str, root: Path, split: str) -> Split:
    found = segmentation(dataset, root, split)
    files = [image for image, _ in found.records]
    scale, crop, stride = (experiment[key][dataset] for key in ("test_scale", "crop_px", "stride_px"))
    sizes = _sizes(files)
    resized = [keep_ratio_size(height, width, tuple(scale)) for width, height in sizes]
    windows = [len(sliding_windows(height, width, crop=crop, stride=stride)) for height, width in resized]
    return Split(len(files), len(files), _mean_px(sizes), found.num_classes, float(np.mean(windows)))


def _sizes(files: Sequence[Path]) -> list[tuple[int, int]]:
    """(width, height) of a sample, evenly spaced; a header that cannot be read is left out."""
    sizes = []
    for index in range(0, len(files), max(1, len(files) // _SAMPLE)):
        try:
            # Pillow warns of damaged EXIF, which some of ImageNet's files have
            with warnings.catch_warnings(action="ignore"), Image.open(files[index]) as image:
                sizes.append(image.size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    return sizes


def _mean_px(sizes: Sequence[tuple[int, int]]) -> float:
    return float(np.mean([width * height for width, height in sizes])) if sizes else 0.0


def _limited(split: Split, limit: int) -> Split:
    """At most `limit` views, evenly spaced: of as many files, if there are."""
    views = min(split.views, limit)
    return replace(split, views=views, files=min(split.files, views))


def _parts(request: Request, dataset: str, root: Path, splits: dict[str, str]) -> dict[str, Callable[[], ViewSet]]:
    box, distance = request.variants["keypoint-box"], request.variants["keypoint-distance"]
    if dataset == "cub200":
        return {name: partial(_cub_parts, root, split, box) for name, split in splits.items()}
    return {name: partial(_coco_parts, root, split, box, distance) for name, split in splits.items()}


def _cub_parts(root: Path, split: str, box: str) -> ViewSet:
    return part_views(cub200.part_patches(root, split, keypoint_box=box))


def _coco_parts(root: Path, split: str, box: str, distance: str) -> ViewSet:
    return part_views(coco.part_patches(root, split, keypoint_box=box, distance=distance))


def _objects(_request: Request, dataset: str, root: Path) -> dict[str, Callable[[], ViewSet]]:
    if dataset == "cifar10":
        return {"all": lambda: cifar10.images(root, "test")}
    return {"all": lambda: coco.object_crops(root, "val2017")}


def _part_gallery(request: Request, dataset: str, root: Path) -> dict[str, Callable[[], ViewSet]]:
    return _parts(request, dataset, root, {"all": {"cub200": "all", "coco": "train2017"}[dataset]})


def _part_splits(request: Request, dataset: str, root: Path) -> dict[str, Callable[[], ViewSet]]:
    names = {"cub200": ("train", "test"), "coco": ("train2017", "val2017")}[dataset]
    return _parts(request, dataset, root, dict(zip(("train", "val"), names, strict=True)))


def _images(_request: Request, _dataset: str, root: Path) -> dict[str, Callable[[], ViewSet]]:
    return {split: partial(imagenet1k.images, root, split) for split in ("train", "val")}


def _searched(request: Request, _dataset: str, root: Path) -> dict[str, Callable[[], ViewSet]]:
    experiment = request.profile.experiment("patch_search")

    def chosen() -> ViewSet:
        every = imagenet1k.images(root, "val")
        also = set(experiment["numbers_also"])
        numbers = [int(re.findall(r"\d+", Path(str(view.image)).stem)[-1]) for view in every.views]
        return every.subset([i for i, n in enumerate(numbers) if n < experiment["numbers_below"] or n in also])

    return {"all": chosen}


_READERS: dict[str, Callable[[Request, str, Path], dict[str, Callable[[], ViewSet]]]] = {
    "object_retrieval": _objects,
    "part_retrieval": _part_gallery,
    "part_classification": _part_splits,
    "image_classification": _images,
    "patch_search": _searched,
}
