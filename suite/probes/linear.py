"""Linear probe: the class token and one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.protocol.constants import constant

INITIAL_STD: float = constant("classifier", "initial_std")


def classifier(embed_dim: int, num_classes: int, generator: torch.Generator | None) -> nn.Linear:
    """Make the last layer of both probes: weight drawn from N(0, 0.01), bias 0 (official code, patch_lincls.py)."""
    layer = nn.utils.skip_init(nn.Linear, embed_dim, num_classes)
    nn.init.normal_(layer.weight, std=INITIAL_STD, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class LinearHead(nn.Module):
    """Logits from the class token; no normalisation.

    Source: paper, section 4.2; official code, retrieval-classification/patch_lincls.py.
    """

    @property
    def smallest_batch(self) -> int:
        """Items that a batch needs at least."""
        return 1

    def __init__(self, embed_dim: int, num_classes: int, *, generator: torch.Generator | None = None) -> None:
        """Draw the weights.

        Args:
            embed_dim: D, width of the tokens.
            num_classes: C.
            generator: source of the weights; None for torch's global one.
        """
        super().__init__()
        self.fc = classifier(embed_dim, num_classes, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, 1 + n, D) tokens, the class token first, to (B, C) logits."""
        return self.classify(self.pool(tokens))

    def pool(self, tokens: Tensor) -> Tensor:
        """Map (B, 1 + n, D) tokens to the (B, D) class tokens."""
        return tokens[:, 0]

    def classify(self, pooled: Tensor) -> Tensor:
        """Map (B, D) class tokens to (B, C) logits."""
        return self.fc(pooled)
