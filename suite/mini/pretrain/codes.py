"""Visual words that stand in for BEiT's dVAE tokenizer: k-means over contrast-normalised patches."""

from __future__ import annotations

import torch
from lightly.models.utils import patchify
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

CODES = 512
# of normalised pixels: keeps the noise of a flat patch from filling the codebook
FLOOR = 0.4


class Codebook(nn.Module):
    """Nearest of K centres in the space of contrast-normalised patches.

    Args:
        centres: (K, 3 * patch * patch).
        patch: patch side, px.
    """

    centres: Tensor

    def __init__(self, centres: Tensor, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.register_buffer("centres", centres)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised to (B, N) codes."""
        descriptors = describe(images, self.patch)
        return torch.cdist(descriptors.flatten(0, 1), self.centres).argmin(1).view(descriptors.shape[:2])


def describe(images: Tensor, patch: int) -> Tensor:
    """Map (B, 3, H, W) to (B, N, 3 * patch * patch): each patch without its mean, over its damped contrast."""
    patches = patchify(images.float(), patch)
    patches = patches - patches.mean(-1, keepdim=True)
    return patches / (patches.std(-1, keepdim=True) + FLOOR)


def codebook(images: Tensor, patch: int, seed: int, count: int = CODES) -> Codebook:
    """Learn `count` centres from unlabelled images (B, 3, H, W), normalised."""
    rows = describe(images, patch).flatten(0, 1).cpu().numpy()
    kmeans = MiniBatchKMeans(count, random_state=seed, batch_size=4096, n_init=1, max_iter=20).fit(rows)
    return Codebook(torch.from_numpy(kmeans.cluster_centers_).float(), patch)
