"""Part classification (section 4.2, Table 3 right; official code `retrieval-classification/patch_lincls.py`).

The part patches of part retrieval, now with a probe that names the part: four of a bird (CUB-200-2011, its official
split), three of a person (COCO, train2017 and val2017). Training sees the central 7/8 of a patch, evaluation all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import coco, cub200
from suite.datasets.parts import part_views
from suite.datasets.views import ViewSet
from suite.experiments.context import Context, Outcome
from suite.experiments.probing import Split, measure, train_probes
from suite.probes.learner import ProbeLearner

if TYPE_CHECKING:
    from suite.experiments.judge import Trial


def part_splits(trial: Context) -> tuple[ViewSet, ViewSet]:
    """Training and evaluation patches."""
    box = trial.choice("keypoint-box")
    if trial.dataset == "cub200":
        patches = [cub200.part_patches(trial.root, split, keypoint_box=box) for split in ("train", "test")]
    else:
        distance = trial.choice("keypoint-distance")
        patches = [
            coco.part_patches(trial.root, split, keypoint_box=box, distance=distance)
            for split in ("train2017", "val2017")
        ]
    return part_views(patches[0]), part_views(patches[1])


def part_classification(trial: Context) -> Outcome:
    """Train on one split's patches, report top-1 on the other's."""
    train, test = (split.take(trial.request.limit) for split in part_splits(trial))
    learned, judged = (part_tokens(trial, *of) for of in ((train, "square_train"), (test, "square")))

    def fit(seed: int) -> dict[str, ProbeLearner]:
        return train_probes([trial], learned, judged, seed=seed, made_of="square_train, square")[trial.spec]

    return measure(trial, train, test, fit)


def part_tokens(trial: Context, views: ViewSet, transform: str) -> Split:
    """Patches with their tokens; no augmentation, so each is encoded once where memory holds its tokens."""
    return Split(views, trial.token_source(views, transform))


def test_part_classification(trial: Trial) -> None:
    """Table 3, right."""
    trial.check(part_classification)
