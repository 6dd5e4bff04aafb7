"""Part retrieval (section 4.2, Table 3 left; official code `retrieval-classification/pr_patch_retrieval.py`).

Patches around bird parts (CUB-200-2011) and human keypoints (COCO train2017) are queries and gallery at once.
A patch is relevant to a query if it shows the same part. AP is averaged over all queries, each of which stays
in its own gallery. `encoded` is the encoder's output, `projected` the projector's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.experiments.base import Page
from suite.experiments.context import Context, Outcome
from suite.experiments.costs.retrieval import retrieving
from suite.experiments.parts import part_patches
from suite.experiments.retrieval import retrieve
from suite.protocol.settings import Settings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

SPLITS = {"cub200": {"all": "all"}, "coco": {"all": "train2017"}}


def part_retrieval(trial: Context[Settings]) -> Outcome:
    """Rank all patches by cosine similarity to each patch."""
    return retrieve(trial, part_patches(trial, SPLITS[trial.dataset]["all"]), transform="square")


PAGE = Page(
    name="part_retrieval",
    settings=Settings,
    items="parts",
    splits=SPLITS,
    read=part_patches,
    run=part_retrieval,
    cost=retrieving,
)


def test_part_retrieval(trial: Trial) -> None:
    """Reproduce Table 3, left."""
    trial.check(PAGE.run)
