"""DeiT, the supervised baseline: cross-entropy on the drawn classes (Touvron et al., 2021)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from suite.mini.pretrain.objective import Objective, Signals
from suite.mini.pretrain.vit import DIM, Trunk, encode, pooled


class Supervised(Objective):
    """One linear classifier on the class token and on the mean patch token.

    Args:
        encoder: trunk to train.
        classes: number of object classes.
    """

    colour = True

    def __init__(self, encoder: Trunk, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(DIM, classes)

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Mean of the two cross-entropies, smoothed by 0.1."""
        on_cls, on_mean = (self.head(x) for x in pooled(encode(self.encoder, views[0])))
        losses = [F.cross_entropy(x, labels, label_smoothing=0.1) for x in (on_cls, on_mean)]
        return (losses[0] + losses[1]) / 2, {"accuracy": (on_cls.argmax(1) == labels).float().mean()}
