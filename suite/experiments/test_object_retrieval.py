"""Object retrieval (TMLR version, object-level retrieval).

Whole objects instead of parts: the 10,000 test images of CIFAR10, and the annotated boxes of COCO val2017 as
squares. No split, crop rule or code was published for this experiment; the rules here are ours: same scorer
as part retrieval, queries are the gallery, labels are classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import cifar10, coco
from suite.datasets.views import ViewSet
from suite.experiments.base import Page
from suite.experiments.context import Context, Outcome
from suite.experiments.costs.retrieval import retrieving
from suite.experiments.retrieval import retrieve
from suite.protocol.settings import Settings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

SPLITS = {"cifar10": {"all": "test"}, "coco": {"all": "val2017"}}


def objects(trial: Context[Settings], split: str) -> ViewSet:
    """Return the images, or the objects in them, of a split."""
    if trial.dataset == "cifar10":
        return cifar10.images(trial.root, split)
    return coco.object_crops(trial.root, split)


def object_retrieval(trial: Context[Settings]) -> Outcome:
    """Rank all objects by cosine similarity to each object."""
    return retrieve(trial, objects(trial, SPLITS[trial.dataset]["all"]), transform="square")


PAGE = Page(
    name="object_retrieval",
    settings=Settings,
    items="objects",
    splits=SPLITS,
    read=objects,
    run=object_retrieval,
    cost=retrieving,
)


def test_object_retrieval(trial: Trial) -> None:
    """Reproduce the TMLR version's object-level retrieval."""
    trial.check(PAGE.run)
