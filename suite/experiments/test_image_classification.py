"""Image classification (section 4.1, Table 1): linear and attentive probing on ImageNet-1K.

The class token through one linear layer, or a learned query's attention over all tokens, batch norm and a linear
layer, on a frozen encoder. Training sees random-resized crops and mirror images, evaluation the centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.datasets import imagenet1k
from suite.experiments.context import Context, Outcome
from suite.experiments.imagenet import probe_stream

if TYPE_CHECKING:
    from suite.experiments.judge import Trial


def image_classification(trial: Context) -> Outcome:
    """Train on the training split, report top-1 on the validation split."""
    train, val = (imagenet1k.images(trial.root, split) for split in ("train", "val"))
    return probe_stream(trial, train, val)


def test_image_classification(trial: Trial) -> None:
    """Table 1."""
    trial.check(image_classification)
