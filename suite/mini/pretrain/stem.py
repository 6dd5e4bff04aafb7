"""A whitened patch embedding, which folds into the official single convolution.

With a plain random projection a patch token is nearly its patch's mean colour, and short runs never leave that:
whitening gives every principal direction of the patches the same say from the first step.
"""

from __future__ import annotations

import torch
from lightly.models.utils import patchify
from torch import Tensor, nn

DAMPING = 0.01


class WhitenedPatchEmbed(nn.Module):
    """Patches -> whitened principal components -> a learnable square map; both linear.

    Takes the place of timm's `PatchEmbed` while training.

    Args:
        weight: (D, 3 * patch * patch) projection of channel-last flattened patches.
        bias: (D,).
        patch: patch side, px.
    """

    def __init__(self, weight: Tensor, bias: Tensor, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.whiten = nn.Linear(weight.shape[1], weight.shape[0])
        self.mix = nn.Linear(weight.shape[0], weight.shape[0])
        with torch.no_grad():
            self.whiten.weight.copy_(weight)
            self.whiten.bias.copy_(bias)
            nn.init.eye_(self.mix.weight)
            nn.init.zeros_(self.mix.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised to (B, N, D) patch tokens, row by row."""
        tokens: Tensor = self.mix(self.whiten(patchify(images, self.patch)))
        return tokens

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the same map as the (D, 3, patch, patch) weight and (D,) bias of a convolution."""
        mix = self.mix.weight.double()
        weight = (mix @ self.whiten.weight.double()).float()
        bias = (mix @ self.whiten.bias.double() + self.mix.bias.double()).float()
        return weight.view(-1, self.patch, self.patch, 3).permute(0, 3, 1, 2).contiguous(), bias


def whitened(images: Tensor, dim: int, patch: int) -> WhitenedPatchEmbed:
    """Fit the projection on unlabelled images.

    Args:
        images: (B, 3, H, W) normalised views.
        dim: leading principal directions to keep.
        patch: patch side, px.
    """
    patches = patchify(images, patch).flatten(0, 1).double()
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    values, vectors = values[-dim:], vectors[:, -dim:]
    # the sign of an eigenvector is arbitrary: fix it, so that every machine starts alike
    vectors = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
    weight = (vectors / (values + DAMPING).sqrt()).T
    return WhitenedPatchEmbed(weight.float(), (-weight @ mean).float(), patch)
