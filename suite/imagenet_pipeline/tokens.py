"""Way from a stream of images to tokens of one or several encoders: one decoded, augmented image serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from suite.encoders import Encoder
from suite.encoders.forward import Forward
from suite.imagenet_pipeline.images import ImageStream, Indices

Encode = Callable[[Tensor, Indices], Tensor]
"""(B, 3, S, S) uint8 pixels and (B,) indices of their images -> (B, 1 + n, D) tokens, the class token first."""


def token_encoder(
    encoder: Encoder, *, forward_batch_size: int, autocast: torch.dtype | None = None, permute: bool = False
) -> Encode:
    """Return a function from pixels to tokens, on the encoder's device.

    Args:
        encoder: frozen.
        forward_batch_size: images a pass, see `Forward`.
        autocast: lower precision of the encoder's matrix products; None for its own.
        permute: shuffle the patches of every image (see `suite.encoders.forward.permute_patches`).
    """
    forward = Forward(encoder, batch_size=forward_batch_size, autocast=autocast, permute=permute)

    def encode(pixels: Tensor, indices: Indices) -> Tensor:
        return forward(pixels, indices).sequence[: len(pixels)]

    return encode


class TokenStream:
    """Tokens of N images for any epoch, by encoder."""

    def __init__(
        self, images: ImageStream, encoders: Mapping[str, Encode], *, forward_batch_size: int, views: int | None = None
    ) -> None:
        """Say what is wanted; nothing is read yet.

        Args:
            images: where pixels come from.
            encoders: by name, what turns them into tokens.
            forward_batch_size: images a pass.
            views: None augments anew in every epoch. With K, epoch e sees augmentation e mod K, whose tokens are kept
                in memory: a small study then pays for K passes, whatever its epochs.
        """
        self.images, self.encoders, self.forward_batch_size, self.views = images, encoders, forward_batch_size, views
        self._cache: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.images)

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[dict[str, Tensor]]:
        """Yield encoder's name -> (b, 1 + n, D), for the b images of each chunk in turn.

        Raises:
            DatasetError: an image cannot be read.
        """
        if self.views is None:
            yield from self._encoded(epoch, chunks)
            return
        view = epoch % self.views
        if view not in self._cache:
            # in the order of the set, so that the tokens are the same whichever epoch asks first
            [self._cache[view]] = self._encoded(view, [torch.arange(len(self))])
        for chunk in chunks:
            yield {name: tokens.index_select(0, chunk.to(tokens.device)) for name, tokens in self._cache[view].items()}

    def _encoded(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[dict[str, Tensor]]:
        passes = [
            (part, number) for number, chunk in enumerate(chunks) for part in chunk.split(self.forward_batch_size)
        ]
        ends = [
            number != following
            for (_, number), following in zip(passes, [n for _, n in passes[1:]] + [-1], strict=True)
        ]
        batches = self.images.batches(epoch, (part.numpy() for part, _ in passes))
        outputs: dict[str, list[Tensor]] = {name: [] for name in self.encoders}
        for (indices, pixels), end in zip(batches, ends, strict=True):
            for name, encode in self.encoders.items():
                outputs[name].append(encode(pixels, indices))
            if end:
                yield {name: torch.cat(parts) for name, parts in outputs.items()}
                outputs = {name: [] for name in self.encoders}
