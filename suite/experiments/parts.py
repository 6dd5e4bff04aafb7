"""Patches around parts, shared by part retrieval and part classification."""

from __future__ import annotations

from suite.datasets import coco, cub200
from suite.datasets.parts import part_views
from suite.datasets.views import ViewSet
from suite.experiments.context import Context
from suite.protocol.settings import Settings


def part_patches(trial: Context[Settings], split: str) -> ViewSet:
    """Return the patches of a split, each a view whose label is its part."""
    box = trial.choice("keypoint-box")
    if trial.dataset == "cub200":
        return part_views(cub200.part_patches(trial.root, split, keypoint_box=box))
    distance = trial.choice("keypoint-distance")
    return part_views(coco.part_patches(trial.root, split, keypoint_box=box, distance=distance))
