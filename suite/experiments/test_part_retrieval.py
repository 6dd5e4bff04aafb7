"""Part retrieval (section 4.2, Table 3 left; official code `retrieval-classification/pr_patch_retrieval.py`).

Patches around bird parts (CUB-200-2011) and human keypoints (COCO train2017) are queries and gallery at once.
A patch is relevant to a query if it shows the same part. AP is averaged over all queries, each of which stays
in its own gallery. `encoded` is the encoder's output, `projected` the projector's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import coco, cub200
from suite.datasets.parts import PartPatch, part_views
from suite.experiments.context import Context, Outcome
from suite.experiments.retrieval import retrieve

if TYPE_CHECKING:
    from suite.experiments.judge import Trial


def part_patches(trial: Context) -> list[PartPatch]:
    """CUB train and test together, COCO train2017 only."""
    box = trial.choice("keypoint-box")
    if trial.dataset == "cub200":
        return cub200.part_patches(trial.root, "all", keypoint_box=box)
    return coco.part_patches(trial.root, "train2017", keypoint_box=box, distance=trial.choice("keypoint-distance"))


def part_retrieval(trial: Context) -> Outcome:
    """Rank all patches by cosine similarity to each patch."""
    return retrieve(trial, part_views(part_patches(trial)), transform="square")


def test_part_retrieval(trial: Trial) -> None:
    """Table 3, left."""
    trial.check(part_retrieval)
