"""Encoders with the same weights and code whose output differs by a number that a user's factory is given."""

from __future__ import annotations

import torch

from suite.encoders import Encoder
from tests.support.vits import TinyViT


def bent(power: float) -> Encoder:
    """Tokens taken to a power."""
    vit = TinyViT()
    return vit.wrapped(tokens=lambda images: TinyViT.forward(vit, images).abs() ** power)


def with_other_layers(scale: float) -> Encoder:
    """Blocks' outputs scaled for whoever reads them; tokens are not."""
    encoder = TinyViT().wrapped()
    plain = encoder.trunk.forward

    def forward(images: torch.Tensor, layers: tuple[int, ...]) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        tokens, raw = plain(images, layers)
        return tokens, {index: scale * value for index, value in raw.items()}

    encoder.trunk.forward = forward
    return encoder


def with_other_sizes(scale: float) -> Encoder:
    """Tokens scaled where images are not of the encoder's own size."""
    vit = TinyViT()
    return vit.wrapped(tokens=lambda images: TinyViT.forward(vit, images) * (1.0 if images.shape[-1] == 32 else scale))
