"""Linear segmentation head (paper, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.probes.linear import classifier


class SegmentationHead(nn.Module):
    """One linear layer applied to every place of a feature map, which is a 1x1 convolution with bias.

    Source: official code, mmseg/models/decode_heads/fcn_head.py with `num_convs=0`: no norm, no dropout in effect.
    A matrix product in place of a convolution, whose gradient is not the same in every run on a GPU.
    """

    def __init__(self, in_channels: int, num_classes: int, *, generator: torch.Generator | None = None) -> None:
        """Draw the weights: N(0, 0.01), bias 0.

        Args:
            in_channels: C_in, channels of the features; 4 D where four layers are concatenated.
            num_classes: C.
            generator: source of the weights; None for torch's global one.
        """
        super().__init__()
        self.fc = classifier(in_channels, num_classes, generator)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C_in, h, w) features to (B, C, h, w) logits, both best kept channels last."""
        return self.fc(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
