"""Batch of one training step: the crops of all label sets of the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Crops of one training step.

    Label sets choose their own crops by the 0.75 rule (it looks at their own masks), from draws that all share; where
    they agree, a crop is encoded once.

    Attributes:
        pixels: (U, 3, h, w) float32, RGB, normalised by the encoder's mean and std, zero where padded; the distinct
            crops of the step.
        labels: label set -> (B, h, w) uint8, 255 ignored.
        rows: label set -> (B,) int64, the row of `pixels` of each of its crops.
    """

    pixels: Tensor
    labels: Mapping[str, Tensor]
    rows: Mapping[str, Tensor]

    def tensors(self) -> Iterator[Tensor]:
        """List all that it is made of."""
        yield self.pixels
        yield from self.labels.values()
        yield from self.rows.values()
