"""Object retrieval (TMLR version, object-level retrieval).

Whole objects instead of parts: the 10,000 test images of CIFAR10, and the annotated boxes of COCO val2017 as
squares. No split, crop rule or code was published for this experiment; the rules here are ours: same scorer
as part retrieval, queries are the gallery, labels are classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import cifar10, coco
from suite.experiments.context import Context, Outcome
from suite.experiments.retrieval import retrieve

if TYPE_CHECKING:
    from suite.experiments.judge import Trial


def object_retrieval(trial: Context) -> Outcome:
    """Rank all objects by cosine similarity to each object."""
    if trial.dataset == "cifar10":
        views = cifar10.images(trial.root, "test")
    else:
        views = coco.object_crops(trial.root, "val2017")
    return retrieve(trial, views, transform="square")


def test_object_retrieval(trial: Trial) -> None:
    """TMLR version, object-level retrieval."""
    trial.check(object_retrieval)
