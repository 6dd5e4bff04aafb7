"""Image classification (section 4.1, Table 1): linear and attentive probing on ImageNet-1K.

The class token through one linear layer, or a learned query's attention over all tokens, batch norm and a linear
layer, on a frozen encoder. Training sees random-resized crops and mirror images, evaluation the centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import imagenet1k
from suite.datasets.views import ViewSet
from suite.experiments.base import Page
from suite.experiments.context import Outcome
from suite.experiments.costs.stream import streaming
from suite.experiments.imagenet import StreamTrial, probe_stream
from suite.protocol.settings import StreamSettings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

SPLITS = {"imagenet1k": {"train": "train", "val": "val"}}


def images(trial: StreamTrial, split: str) -> ViewSet:
    """Return the images of a split."""
    return imagenet1k.images(trial.root, split)


def image_classification(trial: StreamTrial) -> Outcome:
    """Train on the training split, report top-1 on the validation split."""
    train, val = (images(trial, split) for split in trial.splits(SPLITS[trial.dataset]).values())
    return probe_stream(trial, train, val)


PAGE = Page(
    name="image_classification",
    settings=StreamSettings,
    items="images",
    splits=SPLITS,
    read=images,
    run=image_classification,
    cost=streaming,
)


def test_image_classification(trial: Trial) -> None:
    """Reproduce Table 1."""
    trial.check(PAGE.run)
