"""Part classification (section 4.2, Table 3 right; official code `retrieval-classification/patch_lincls.py`).

The part patches of part retrieval, now with a probe that names the part: four of a bird (CUB-200-2011, its official
split), three of a person (COCO, train2017 and val2017). Training sees the central 7/8 of a patch, evaluation all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets.views import ViewSet
from suite.experiments.base import Page
from suite.experiments.context import Outcome
from suite.experiments.costs.probing import probing
from suite.experiments.parts import part_patches
from suite.experiments.probing import ProbingTrial, Split, measure, train_probes
from suite.probes.learner import ProbeLearner
from suite.protocol.settings import ProbingSettings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

SPLITS = {"cub200": {"train": "train", "val": "test"}, "coco": {"train": "train2017", "val": "val2017"}}


def part_classification(trial: ProbingTrial) -> Outcome:
    """Train on one split's patches, report top-1 on the other's."""
    train, test = (
        part_patches(trial, split).take(trial.request.limit) for split in trial.splits(SPLITS[trial.dataset]).values()
    )
    train_tokens, test_tokens = (
        part_tokens(trial, *arguments) for arguments in ((train, "square_train"), (test, "square"))
    )

    def fit(seed: int) -> dict[str, ProbeLearner]:
        return train_probes([trial], train_tokens, test_tokens, seed=seed, token_inputs="square_train, square")[
            trial.spec
        ]

    return measure(trial, train, test, fit)


def part_tokens(trial: ProbingTrial, views: ViewSet, transform: str) -> Split:
    """Return patches with their tokens; no augmentation, so each is encoded once where memory holds its tokens."""
    return Split(views, trial.token_source(views, transform))


PAGE = Page(
    name="part_classification",
    settings=ProbingSettings,
    items="parts",
    splits=SPLITS,
    read=part_patches,
    run=part_classification,
    cost=probing,
)


def test_part_classification(trial: Trial) -> None:
    """Reproduce Table 3, right."""
    trial.check(PAGE.run)
