"""The one way from pixels to an encoder's output: in passes of one length, in the precision asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from suite.core.memory import is_out_of_memory, release_memory
from suite.encoders.encoder import Encoder, Tokens

_HALVED: WeakKeyDictionary[Encoder, dict[int, int]] = WeakKeyDictionary()
"""Images a pass for which memory had no room -> half of them, in this process."""


class Forward:
    """Passes of an encoder, each as long as the others and if need be filled up with zeros.

    So the rounding of an image's output depends neither on how many images there are nor on which come with it. A pass
    for which memory has no room is halved and tried again, and so are all later ones of the encoder in this process.
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
            RuntimeError: memory has no room for a single image (see `suite.core.memory.is_out_of_memory`).
        """
        most = self.batch_size or len(pixels) or 1
        while True:
            size = fitting_size(self.encoder, most)
            try:
                return _joined([self._pass(*part, size, project) for part in _split(pixels, seeds, size)])
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            # out of the clause above, since the error holds on to the tensors of the pass
            _HALVED.setdefault(self.encoder, {})[size] = -(-size // 2)
            release_memory()

    def _pass(self, pixels: Tensor, seeds: NDArray[np.int64] | None, size: int, project: bool) -> Tokens:
        images = self._filled_up(pixels.to(self.encoder.device, non_blocking=True), size)
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

    def _filled_up(self, pixels: Tensor, size: int) -> Tensor:
        missing = size - len(pixels)
        return F.pad(pixels, (0,) * 7 + (missing,)) if missing > 0 else pixels


def fitting_size(encoder: Encoder, size: int) -> int:
    """Return images a pass for which memory had room so far in this process, where `size` are asked for."""
    halved = _HALVED.get(encoder, {})
    while size in halved:
        size = halved[size]
    return size


def smaller_passes(encoder: Encoder) -> list[str]:
    """Say which passes of an encoder had to be halved in this process, each in a sentence."""
    halved = _HALVED.get(encoder, {})
    return [
        f"{encoder.name}: passes of {fitting_size(encoder, size)} images in place of {size}, "
        "for which memory had no room"
        for size in halved
        if size not in halved.values()
    ]


def _split(
    pixels: Tensor, seeds: NDArray[np.int64] | None, size: int
) -> Iterator[tuple[Tensor, NDArray[np.int64] | None]]:
    for start in range(0, max(1, len(pixels)), size):
        part = slice(start, start + size)
        yield pixels[part], None if seeds is None else seeds[part]


def _joined(parts: Sequence[Tokens]) -> Tokens:
    if len(parts) == 1:
        return parts[0]
    projected = [part.projected for part in parts if part.projected is not None]
    return Tokens(
        cls=torch.cat([part.cls for part in parts]),
        patches=torch.cat([part.patches for part in parts]),
        projected=torch.cat(projected) if projected else None,
        layers={index: torch.cat([part.layers[index] for part in parts]) for index in parts[0].layers},
    )


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
