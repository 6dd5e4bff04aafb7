"""Baselines that tell what a task is worth without pretraining: random weights, and no encoder at all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.encoders.architecture import Architecture
from suite.encoders.catalogue import CATALOGUE
from suite.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder
from suite.encoders.vit import build_vit, vit_encoder

THUMBNAIL = 12
"""Side of the image that `raw_pixels` keeps, pixels."""


class PixelTrunk(nn.Module):
    """Trunk that makes every token of an image its thumbnail, so that their mean is too."""

    mean: Tensor
    std: Tensor

    def __init__(self, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        """See `Encoder.__init__`, trunk; D = 3 * 12 * 12 values in [-0.5, 0.5], 0 for mid-grey."""
        pixels = (images.to(self.mean) * self.std + self.mean).clamp(0, 1)
        small = F.interpolate(pixels, size=(THUMBNAIL, THUMBNAIL), mode="bilinear", antialias=True)
        count = 1 + (images.shape[-2] // self.patch_size) * (images.shape[-1] // self.patch_size)
        tokens = (small - 0.5).flatten(1)[:, None].expand(-1, count, -1)
        return tokens, dict.fromkeys(layers, tokens)


def raw_pixels(architecture: Architecture) -> Encoder:
    """Build the encoder whose features are the image at 12 x 12 pixels, as if an encoder had made them.

    All tokens being alike, one patch as large as the image says the same as a grid of them.
    """
    return Encoder(
        "raw_pixels",
        PixelTrunk(architecture.image_size),
        patch_size=architecture.image_size,
        embed_dim=3 * THUMBNAIL**2,
        depth=architecture.depth,
        image_size=architecture.image_size,
    )


def random_init(architecture: Architecture) -> Encoder:
    """Build a plain ViT with timm's initial weights from seed 0, the same on every run."""
    method = CATALOGUE["deit"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = build_vit(method, architecture)
    return vit_encoder("random_init", method, vit, architecture)
