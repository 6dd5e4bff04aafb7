"""The one way from pixels to an encoder's output: in passes of one length, in the precision asked for."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from suite.encoders.encoder import Encoder, Tokens


class Forward:
    """Passes of an encoder, each as long as the others and if need be filled up with zeros.

    So the rounding of an image's output depends neither on how many images there are nor on which come with it.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        batch_size: int | None = None,
        autocast: torch.dtype | None = None,
        layers: tuple[int, ...] = (),
        permute: bool = False,
    ) -> None:
        """Say how images are encoded.

        Args:
            encoder: frozen; its device is where the work is done.
            batch_size: images a pass; None for as many as come.
            autocast: lower precision of the encoder's matrix products; None for its own.
            layers: indices of the blocks whose raw outputs are wanted, from 0.
            permute: shuffle the patches of every image (see `permute_patches`).
        """
        self.encoder, self.batch_size, self.autocast = encoder, batch_size, autocast
        self.layers, self.permute = layers, permute
        self._mean, self._std = (
            torch.tensor(value, device=encoder.device).view(3, 1, 1) for value in (encoder.mean, encoder.std)
        )

    def __call__(self, pixels: Tensor, seeds: NDArray[np.int64] | None = None, *, project: bool = False) -> Tokens:
        """Encode the images of one pass.

        Args:
            pixels: (b, 3, H, W) on any device, b at most the batch size: uint8, or floating point where they are
                normalised already. Their memory layout is kept.
            seeds: (b,) numbers of the images, needed where patches are permuted.
            project: also run the projector.

        Returns:
            Tokens of a whole pass; rows from b on are filling.

        Raises:
            RequestError: see `Encoder.forward`.
        """
        images = self._filled_up(pixels.to(self.encoder.device, non_blocking=True))
        raw = images.dtype == torch.uint8
        if raw:
            images = images.float().div_(255)
        if self.permute:
            assert seeds is not None
            images = permute_patches(images, self.encoder.patch_size, seeds=np.resize(seeds, len(images)))
        if raw:
            images = images.sub_(self._mean).div_(self._std)
        with torch.autocast(self.encoder.device.type, self.autocast, enabled=self.autocast is not None):
            output: Tokens = self.encoder(images, layers=self.layers, project=project)
        return output

    def _filled_up(self, pixels: Tensor) -> Tensor:
        missing = (self.batch_size or 0) - len(pixels)
        return F.pad(pixels, (0,) * 7 + (missing,)) if missing > 0 else pixels


def permute_patches(pixels: Tensor, size: int, *, seeds: NDArray[np.int64]) -> Tensor:
    """Shuffle the patches of each image, seeded by its index so that batches do not matter.

    Source: the paper's code does so to MAE, retrieval-classification/vits.py: random masking at ratio 0 before
    positions are added. Deviates: there each call draws a fresh permutation, here an image keeps its own, so that a
    run can be repeated.

    Args:
        pixels: (B, C, H, W), of whole patches.
        size: side of a patch, pixels.
        seeds: (B,) indices of the images.

    Returns:
        Images of the same shape, contiguous.
    """
    _, channels, height, width = pixels.shape
    grid = pixels.unfold(2, size, size).unfold(3, size, size).flatten(2, 3)
    orders = [np.random.default_rng(seed).permutation(grid.shape[2]) for seed in seeds]
    index = torch.from_numpy(np.stack(orders)).to(pixels.device)
    shuffled = grid.gather(2, index[:, None, :, None, None].expand_as(grid))
    rows = shuffled.view(-1, channels, height // size, width // size, size, size)
    return rows.permute(0, 1, 2, 4, 3, 5).reshape(pixels.shape)
