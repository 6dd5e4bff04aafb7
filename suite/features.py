"""Encode every view once, keep what was asked for, and remember it by content."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.source_code import code_digest
from suite.datasets.views import ViewSet, render
from suite.encoders import Encoder
from suite.encoders.encoder import Tokens
from suite.encoders.forward import Forward
from suite.errors import StorageError
from suite.protocol.constants import constants_digest

CACHE_BYTES = 4 << 30
"""Bytes of all entries; larger ones are not remembered, since one of them would push out all others."""


@dataclass(frozen=True)
class Features:
    """Output of an encoder for N views; float32, on the CPU. None for what was not asked for.

    Attributes:
        encoded: (N, D) mean of the patch tokens after the final norm.
        cls: (N, D) class token after the final norm.
        projected: (N, P) output of the projector on the class token.
        tokens: (N, 1 + n, D) class token, then patch tokens.
    """

    encoded: Tensor | None = None
    cls: Tensor | None = None
    projected: Tensor | None = None
    tokens: Tensor | None = None

    def setting(self, name: str) -> Tensor:
        """Return the (N, D) vectors that a retrieval setting compares, or the tokens; they were asked for."""
        vectors = getattr(self, name)
        assert isinstance(vectors, Tensor)
        return vectors


@dataclass(frozen=True, eq=False)
class Passes:
    """Way from N views to tokens: all that decides their values.

    Attributes:
        encoder: frozen; its device is where the work is done.
        views: N views.
        transform: how a view becomes a square image (`suite.datasets.pixels`).
        permute: shuffle the patches of every image (see `suite.encoders.forward.permute_patches`).
        batch_size: views a pass.
    """

    encoder: Encoder
    views: ViewSet
    transform: str
    permute: bool = False
    batch_size: int = 128

    def __len__(self) -> int:
        return len(self.views)

    def run(
        self, order: NDArray[np.int64] | None = None, *, project: bool = False
    ) -> Iterator[tuple[NDArray[np.int64], Tokens]]:
        """Encode, while threads draw the views of the next passes.

        The bits of a view's tokens depend on no other view: see `suite.encoders.forward.Forward`.

        Args:
            order: the views to encode, in that order; None for all, those of an image together.
            project: also run the projector.

        Yields:
            (b,) indices of views, and what the encoder says of them; rows from b on are filling.

        Raises:
            DatasetError: an image cannot be read.
            RequestError: no such transform, or no projector.
        """
        forward = Forward(self.encoder, batch_size=self.batch_size, permute=self.permute)
        size = self.encoder.image_size
        for indices, batch in render(self.views.views, self.transform, size, batch_size=self.batch_size, order=order):
            # a view of channels last, which is the layout that the encoder works on
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2)
            yield indices, forward(pixels, indices, project=project)


_KEPT: Mapping[str, Callable[[Tokens], Tensor | None]] = {
    "encoded": lambda output: output.patches.mean((2, 3)),
    "cls": lambda output: output.cls,
    "projected": lambda output: output.projected,
    "tokens": lambda output: output.sequence,
}


def extract(passes: Passes, keep: Collection[str], *, cache: Path | None = None) -> Features:
    """Run one forward pass over all views.

    Args:
        passes: the views and how they are encoded.
        keep: names of the attributes wanted; nothing else is computed or held.
        cache: folder to remember the result in, or None.

    Returns:
        Features of the views, in their order.

    Raises:
        DatasetError: an image cannot be read.
        RequestError: projections of an encoder that has no projector.
        StorageError: the cache cannot be written.
    """
    names = sorted(set(keep))
    facts = [identity(passes.encoder), passes.views.digest, passes.transform, passes.permute]
    key = digest_of(
        [*facts, names, code_digest("suite.features"), constants_digest(), environment_of(passes.encoder.device)]
    )
    path = None if cache is None else cache / "features" / f"{key}.safetensors"
    if path is not None and path.exists():
        os.utime(path)
        return Features(**load_file(path))
    features = _encode(passes, names)
    if path is not None:
        _remember(path, features)
    return features


def identity(encoder: Encoder) -> dict[str, object]:
    """Return all about an encoder that decides its features: weights, normalisations, sizes, code of a user's."""
    return {
        "name": encoder.name,
        "digest": encoder.digest,
        "mean": list(encoder.mean),
        "std": list(encoder.std),
        "image_size": encoder.image_size,
        "patch_size": encoder.patch_size,
        "norm_eps": encoder.norm_eps,
        "code": encoder.code,
    }


def _encode(passes: Passes, keep: Collection[str]) -> Features:
    values: dict[str, Tensor] = {}
    for indices, output in passes.run(project="projected" in keep):
        for name in keep:
            value = _KEPT[name](output)
            assert value is not None
            if name not in values:
                values[name] = torch.empty(len(passes), *value.shape[1:])
            values[name][torch.from_numpy(indices)] = value[: len(indices)].float().cpu()
    return Features(**values)


def _remember(path: Path, features: Features) -> None:
    """Store atomically, and forget what was used longest ago once the cache has grown past its limit."""
    tensors = {f.name: getattr(features, f.name) for f in fields(features) if getattr(features, f.name) is not None}
    if sum(tensor.nbytes for tensor in tensors.values()) > CACHE_BYTES:
        return
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"{path.parent}: cannot be written: {error.strerror or error}; free space or pass --cache"
        ) from error
    entries = sorted(path.parent.glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += entry.stat().st_size
        if total > CACHE_BYTES:
            entry.unlink(missing_ok=True)
