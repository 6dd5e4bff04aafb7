"""DeiT, the supervised baseline: cross-entropy on the drawn classes (Touvron et al., 2021).

Crops and flips only: every drawing has its own random colours already.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from suite.mini.pretrain.objective import Objective, Signals, apply_to_both
from suite.mini.pretrain.vit import DIM, Trunk, encode, pooled


class Supervised(Objective):
    """One linear classifier on the class token and on the mean patch token.

    Its inputs are batch-normalised while training, which folds into the classifier on saving: tokens of different
    images have a large common part, and a run of minutes learns slowly without (on drawings smaller in their frame than
    today's: 11 % against 21 % training accuracy after 15,000 images, 20 classes).

    Args:
        encoder: trunk to train.
        classes: number of object classes.
    """

    def __init__(self, encoder: Trunk, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.BatchNorm1d(DIM, affine=False), nn.Linear(DIM, classes))

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the mean of the two cross-entropies, smoothed by 0.1."""
        on_cls, on_mean = apply_to_both(self.head, *pooled(encode(self.encoder, views[0])))
        losses = [F.cross_entropy(x, labels, label_smoothing=0.1) for x in (on_cls, on_mean)]
        return (losses[0] + losses[1]) / 2, {"accuracy": (on_cls.argmax(1) == labels).float().mean()}
