"""Features that heads see of an image: raw outputs of several blocks, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from suite.encoders import Encoder, Tokens
from suite.encoders.forward import Forward
from suite.errors import RequestError

Encode = Callable[[Tensor], Tensor]
"""Encoder of (B, 3, H, W) normalised images to (B, C_in, h, w) float32 features."""


def blocks_at(depth: int, *, of: Sequence[int] = (4, 6, 8, 12), whole: int = 12) -> tuple[int, ...]:
    """Return indices, from 0, of the blocks at the same fractions of a depth as the paper's 3, 5, 7, 11 of 12.

    Source: official code, segmentation/configs_local, `out_indices`.

    Args:
        depth: blocks of the encoder.
        of: blocks counted from 1 in an encoder of `whole` blocks.
        whole: see `of`.

    Example:
        >>> blocks_at(12), blocks_at(24)
        ((3, 5, 7, 11), (7, 11, 15, 23))
    """
    return tuple(max(1, round(depth * block / whole)) - 1 for block in of)


def layer_features(
    encoder: Encoder, layers: Sequence[int], *, autocast: torch.dtype | None = None, batch_size: int | None = None
) -> Encode:
    """Return a function from images to some blocks' raw outputs, concatenated; no final norm, not even for the last.

    Source: official code, segmentation/mmseg/models/decode_heads/decode_head.py, `resize_concat`.

    Args:
        encoder: frozen.
        layers: indices of blocks, from 0.
        autocast: lower precision of the encoder's matrix products on a GPU (official code: apex O1); None for its own.
        batch_size: images a pass, see `Forward`; None for a single pass over whatever comes.

    Returns:
        Images on any device to features of len(layers) x D channels on the encoder's, channels last in memory.

    Raises:
        RequestError: no layers, or a layer that the encoder does not have.
    """
    if not encoder.depth:
        raise RequestError(
            f"{encoder.name}: names no blocks, whose outputs segmentation reads: name them (blocks= of wrap, or an "
            "attribute blocks), or leave segmentation out (EXPERIMENT=)"
        )
    if not layers or not all(0 <= layer < encoder.depth for layer in layers):
        raise RequestError(f"{encoder.name}: layers: expected some of 0 to {encoder.depth - 1}, got {list(layers)}")
    forward = Forward(encoder, batch_size=batch_size, autocast=autocast, layers=tuple(sorted(set(layers))))

    def encode(pixels: Tensor) -> Tensor:
        parts = pixels.split(batch_size or len(pixels))
        places = [_side_by_side(forward(part), layers)[: len(part)] for part in parts]
        return (places[0] if len(places) == 1 else torch.cat(places)).permute(0, 3, 1, 2)

    return encode


def _side_by_side(output: Tokens, layers: Sequence[int]) -> Tensor:
    """Concatenate to (B, h, w, len(layers) x D) float32."""
    return torch.cat([output.layers[layer].permute(0, 2, 3, 1).float() for layer in layers], dim=3)
