"""The official auxiliary head: trained beside a decode head, on one of its maps, and never asked for a prediction.

Source: official code, configs_local/_base_/models (`auxiliary_head`: FCNHead, in_index 2, channels 256, num_convs 1,
concat_input off, dropout_ratio 0.1, SyncBN, loss_weight 0.4) and mmseg/models/decode_heads/decode_head.py: dropout of
whole channels, classifier from N(0, 0.01) and bias 0. What these leave open is what mmseg 0.11's fcn_head.py and mmcv
1.3's ConvModule do: a 3x3 kernel, padding 1, no bias before the norm, normal weights of He's variance over the fan-out;
BN of momentum 0.1 and eps 1e-5, from weight 1 and bias 0.
Deviates: one process sees the whole batch, which is what SyncBN computes of the official eight; float32 in place of
apex O1, as for every head. The official loss scale ties the two heads: a step that overflows in one is skipped by both.
There is none here.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.errors import RequestError
from suite.probes.linear import classifier
from suite.protocol.constants import constant

MAP: int = constant("auxiliary_head", "map")
"""Place, from 0, of the map that it looks at among those that the decode head concatenates."""
CHANNELS: int = constant("auxiliary_head", "channels")
KERNEL: int = constant("auxiliary_head", "kernel")
DROPOUT: float = constant("auxiliary_head", "dropout")
NORM_EPS: float = constant("auxiliary_head", "batch_norm_eps")
NORM_MOMENTUM: float = constant("auxiliary_head", "batch_norm_momentum")
LOSS_WEIGHT: float = constant("auxiliary_head", "loss_weight")
"""Weight of its cross-entropy in the sum with the decode head's."""


class AuxiliaryHead(nn.Module):
    """3x3 convolution to 256 channels, batch norm, ReLU, dropout of whole channels, 1x1 convolution.

    Convolutions are matrix products, as in `SegmentationHead`: the gradient of cuDNN's is not the same in every run.
    """

    def __init__(
        self, sees: tuple[int, int], in_channels: int, num_classes: int, *, generator: torch.Generator | None = None
    ) -> None:
        """Draw the weights.

        Args:
            sees: first channel of the map that it looks at, and the one after the last.
            in_channels: C_in, channels of all maps together.
            num_classes: C.
            generator: source of the weights; None for torch's global one.

        Raises:
            RequestError: the features have no such channels.
        """
        if not 0 <= sees[0] < sees[1] <= in_channels:
            raise RequestError(f"auxiliary head: expected a range of channels among {in_channels}, got {sees}")
        super().__init__()
        self.sees = sees
        self.conv = nn.Parameter(torch.empty(CHANNELS, sees[1] - sees[0], KERNEL, KERNEL))
        nn.init.kaiming_normal_(self.conv, mode="fan_out", nonlinearity="relu", generator=generator)
        self.norm = nn.BatchNorm1d(CHANNELS, eps=NORM_EPS, momentum=NORM_MOMENTUM)
        self.fc = classifier(CHANNELS, num_classes, generator)

    def forward(self, features: Tensor, kept: Tensor | None = None) -> Tensor:
        """Compute logits; in training mode by the batch's statistics, which move the running ones.

        Args:
            features: (B, C_in, h, w), best kept channels last; no gradient is wanted of them.
            kept: (B, 256) what dropout multiplies each channel by, see `dropout`; None for none.

        Returns:
            (B, C, h, w), channels last.
        """
        places = features[:, slice(*self.sees)].permute(0, 2, 3, 1)
        padded = F.pad(places, (0, 0, *4 * [KERNEL // 2]))
        around = padded.unfold(1, KERNEL, 1).unfold(2, KERNEL, 1).flatten(3)
        hidden = F.linear(around, self.conv.flatten(1))
        hidden = F.relu(self.norm(hidden.flatten(0, 2)).view_as(hidden))
        if kept is not None:
            hidden = hidden * kept[:, None, None]
        return self.fc(hidden).permute(0, 3, 1, 2)


def dropout(seed: int, step: int, crops: int) -> Tensor:
    """Draw (crops, 256) float32: 0 with probability 0.1, else 1 / 0.9.

    A function of seed and step alone, drawn on the CPU: a training resumes anywhere, no other stream of random numbers
    moves, and no device draws others.
    """
    draws = np.random.default_rng([seed, step]).random((crops, CHANNELS))
    return torch.from_numpy(np.where(draws < DROPOUT, 0, 1 / (1 - DROPOUT)).astype(np.float32))
