"""Counts to plan with while a real dataset is not there."""

from __future__ import annotations

from collections.abc import Mapping

from suite.datasets.segmentation_classes import CLASSES
from suite.experiments.base import Items
from suite.experiments.costs.task import Split
from suite.verification.facts import COCO_OBJECTS, CUB200_PATCHES, IMAGENET_CLASSES, SPLITS

COCO_PATCHES = {"train2017": 165_000, "val2017": 7_000}
"""Estimate: 1,394 part patches on the first 538 images of val2017 by the official rule, scaled by people."""
COCO_PATCH_IMAGES = {"train2017": 64_115, "val2017": 2_693}
"""Images with people: at most so many have patches (person_keypoints_*.json)."""
CUB200_TRAIN_PATCHES = 15_508
"""Training patches, of 30,543 in all (part_locs.txt, train_test_split.txt)."""
ADE20K_PART_IMAGES = {"train": 20_210, "val": 2_000}
"""Images of ADE20K-Part: at most all, since the study does not say how many."""
CIFAR10_CLASSES = 10
PIXELS = {"coco": 271e3, "cub200": 180e3, "imagenet1k": 181e3, "ade20k": 236e3, "pascal": 179e3, "lip": 70e3}
"""Mean width times height. ADE20K and VOC 2010: of the files; COCO: of 538; CUB, ImageNet and LIP: estimates."""
WINDOWS = {"ade20k": 1.85, "pascal": 2.43, "lip": 3.3}
"""Mean windows of a validation image by the official crops and strides; LIP: estimate."""
SEARCHED = 25_003
"""Images of patch search (official code, pr_patch_retrieval_imagenet_vis.py)."""


def _published(views: int, files: int, kind: str, classes: int) -> Split:
    return Split(views, files, PIXELS.get(kind, 0.0), classes, WINDOWS.get(kind, 0.0), counted=False)


def _segmentation(name: str) -> dict[str, Split]:
    kind = name.partition("_")[0]
    images = SPLITS[name] or ADE20K_PART_IMAGES
    return {split: _published(images[split], images[split], kind, len(CLASSES[name])) for split in ("train", "val")}


def _cub(patches: int) -> Split:
    """Return the images of a split in proportion to its patches: 11,231 images have any."""
    return _published(patches, round(11_231 * patches / sum(CUB200_PATCHES.values())), "cub200", len(CUB200_PATCHES))


def _coco(split: str) -> Split:
    return _published(COCO_PATCHES[split], COCO_PATCH_IMAGES[split], "coco", 3)


def _imagenet(split: str) -> Split:
    count = SPLITS["imagenet1k"][split]
    return _published(count, count, "imagenet1k", IMAGENET_CLASSES)


_CUB_PATCHES = sum(CUB200_PATCHES.values())
PUBLISHED: Mapping[Items, Mapping[str, Mapping[str, Split]]] = {
    "objects": {
        "cifar10": {"test": _published(SPLITS["cifar10"]["test"], 0, "cifar10", CIFAR10_CLASSES)},
        "coco": {"val2017": _published(COCO_OBJECTS[0], SPLITS["coco"]["val2017"], "coco", COCO_OBJECTS[1])},
    },
    "parts": {
        "cub200": {
            "all": _cub(_CUB_PATCHES),
            "train": _cub(CUB200_TRAIN_PATCHES),
            "test": _cub(_CUB_PATCHES - CUB200_TRAIN_PATCHES),
        },
        "coco": {split: _coco(split) for split in ("train2017", "val2017")},
    },
    "images": {"imagenet1k": {split: _imagenet(split) for split in ("train", "val")}},
    "searched images": {"imagenet1k": {"val": _published(SEARCHED, SEARCHED, "imagenet1k", IMAGENET_CLASSES)}},
    "masks": {name: _segmentation(name) for name in CLASSES},
}
"""Published counts: items -> dataset -> split."""
