"""Image classification (section 4.1, Table 1): linear and attentive probing on ImageNet-1K.

The class token through one linear layer, or a learned query's attention over all tokens, batch norm and a linear
layer, on a frozen encoder. No augmentation: views are the centre crops that evaluation uses, so that tokens are
computed once.
"""

from __future__ import annotations

from suite.datasets import imagenet1k
from suite.experiments.probing import probe
from suite.experiments.trial import Outcome, Trial


def image_classification(trial: Trial) -> Outcome:
    """Train on the training split, report top-1 on the validation split."""
    train, val = (imagenet1k.images(trial.root, split) for split in ("train", "val"))
    return probe(trial, train, val, train_transform="imagenet_eval", test_transform="imagenet_eval")


def test_image_classification(trial: Trial) -> None:
    """Table 1."""
    trial.check(image_classification)
