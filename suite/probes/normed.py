"""Linear probe with batch norm before its layer, as CAE and MAE evaluate their encoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.probes.linear import LinearHead
from suite.protocol.constants import constant

NORM_EPS: float = constant("cae_probes", "batch_norm_eps")
NORM_MOMENTUM: float = constant("cae_probes", "batch_norm_momentum")


class NormedLinearHead(LinearHead):
    """Logits from the class token, normalised over the batch in training and by running statistics in evaluation.

    Source: code of CAE, tools/run_linear.py: `BatchNorm1d(affine=False, eps=1e-6)` before the linear layer.
    """

    def __init__(self, embed_dim: int, num_classes: int, *, generator: torch.Generator | None = None) -> None:
        """Draw the weights; see `LinearHead`."""
        super().__init__(embed_dim, num_classes, generator=generator)
        self.bn = nn.BatchNorm1d(embed_dim, affine=False, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    @property
    def smallest_batch(self) -> int:
        """Smallest batch: 2 in training, since one item has no statistics."""
        return 2 if self.training else 1

    def classify(self, pooled: Tensor) -> Tensor:
        """Map (B, D) class tokens to (B, C) logits."""
        return self.fc(self.bn(pooled))
