"""Sources of views' frozen tokens: memory or a GPU's, if they fit, else the encoder, anew in every epoch.

All give the same bits (`suite.features.Passes`), so what a machine has room for decides how long a probe takes and
never what it learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from suite.core.memory import available_bytes, free_device_bytes
from suite.features import Cache, Passes, extract

MEMORY_SHARE = 4
"""Tokens are kept if they take at most a fourth of the memory that is free: training and evaluation tokens are held
together, and reading them from the cache needs room too."""
DEVICE_SHARE = 0.75
"""Tokens are kept on a GPU if they take at most this share of what it has free: encoder and probes need room too."""


class KeptTokens:
    """Tokens in memory, the same in every epoch."""

    def __init__(self, tokens: Mapping[str, Tensor]) -> None:
        """Take (N, 1 + n, D) tokens by encoder."""
        self._tokens = tokens

    def __len__(self) -> int:
        return len(next(iter(self._tokens.values())))

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """Yield encoder's name -> (b, 1 + n, D), for the b items of each chunk in turn."""
        for chunk in chunks:
            # four times faster than tokens[chunk]
            yield {name: values.index_select(0, chunk.to(values.device)) for name, values in self._tokens.items()}


class RecomputedTokens:
    """Tokens of views, drawn and encoded whenever they are asked for; memory holds a chunk of them."""

    def __init__(self, passes: Passes, name: str) -> None:
        """Say how, and what the encoder is called; nothing is read yet."""
        self.passes, self.name = passes, name

    def __len__(self) -> int:
        return len(self.passes)

    def tokens(self, epoch: int, chunks: Sequence[Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """Yield as `KeptTokens`; passes are whole across chunks, and threads draw the next ones meanwhile.

        Raises:
            DatasetError: an image cannot be read.
        """
        encoded = self._encoded(torch.cat(list(chunks))) if chunks else iter(())
        waiting: list[Tensor] = []
        for chunk in chunks:
            while not waiting or sum(map(len, waiting)) < len(chunk):
                waiting.append(next(encoded))
            joined = torch.cat(waiting)
            waiting = [joined[len(chunk) :].clone()]
            yield {self.name: joined[: len(chunk)]}

    def _encoded(self, order: Tensor) -> Iterator[Tensor]:
        for indices, output in self.passes.run(order.numpy()):
            yield output.sequence[: len(indices)].float()


def token_source(passes: Passes, name: str, *, cache: Cache | None = None) -> KeptTokens | RecomputedTokens:
    """Return the tokens of views without augmentation.

    Args:
        passes: the views and how they are encoded.
        name: of the encoder, by which a probe finds its tokens.
        cache: where kept tokens are remembered, or None.

    Raises:
        DatasetError: an image cannot be read.
    """
    encoder = passes.encoder
    size = token_bytes(len(passes), 1 + (encoder.image_size // encoder.patch_size) ** 2, encoder.embed_dim)
    if are_kept(size, available_bytes()):
        return KeptTokens({name: extract(passes, {"tokens"}, cache=cache).setting("tokens")})
    if are_kept_on_device(size, free_device_bytes(encoder.device)):
        if cache is not None:
            cache.tally.computed += len(passes)
        return KeptTokens({name: _where_they_are_made(passes)})
    return RecomputedTokens(passes, name)


def _where_they_are_made(passes: Passes) -> Tensor:
    """Return (N, 1 + n, D) tokens on the encoder's device; no other memory holds more than a pass of them."""
    tokens: Tensor | None = None
    for indices, output in passes.run():
        sequence = output.sequence.float()
        tokens = sequence.new_empty(len(passes), *sequence.shape[1:]) if tokens is None else tokens
        tokens[torch.from_numpy(indices).to(tokens.device)] = sequence[: len(indices)]
    assert tokens is not None
    return tokens


def token_bytes(items: int, tokens: int, width: int) -> int:
    """Count bytes of `items` x `tokens` x `width` float32 numbers."""
    return 4 * items * tokens * width


def are_kept(size: int, available: int) -> bool:
    """Tell whether tokens of `size` bytes stay in memory, of which `available` bytes are free."""
    return size * MEMORY_SHARE <= available


def are_kept_on_device(size: int, available: int) -> bool:
    """Tell whether tokens of `size` bytes for which memory has no room stay on a GPU with `available` bytes."""
    return size <= DEVICE_SHARE * available
