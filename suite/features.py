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
from suite.errors import StorageError
from suite.protocol.constants import constants_digest

CACHE_BYTES = 4 << 30
"""Of all entries; larger ones are not remembered, since one of them would push out all others."""


@dataclass(frozen=True)
class Features:
    """What an encoder says of N views; float32, on the CPU. None for what was not asked for.

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
        """The (N, D) vectors that a retrieval setting compares, or the tokens; they were asked for."""
        vectors = getattr(self, name)
        assert isinstance(vectors, Tensor)
        return vectors


@dataclass(frozen=True, eq=False)
class Passes:
    """How N views become tokens: all that decides their values.

    Attributes:
        encoder: frozen; its device is where the work is done.
        views: N views.
        transform: how a view becomes a square image (`suite.datasets.pixels`).
        permute: shuffle the patches of every image, which is what the paper's code does to MAE
            (`retrieval-classification/vits.py`: random masking at ratio 0 before positions are added). Deviates: there
            each call draws a fresh permutation, here an image keeps its own, so that a run can be repeated.
        batch_size: views a pass.
    """

    encoder: Encoder
    views: ViewSet
    transform: str
    permute: bool = False
    batch_size: int = 128

    def __len__(self) -> int:
        return len(self.views)

    @property
    def device(self) -> torch.device:
        """Where the encoder is; one without parameters works on the CPU."""
        return next((p.device for p in self.encoder.parameters()), torch.device("cpu"))

    def run(
        self, order: NDArray[np.int64] | None = None, *, project: bool = False
    ) -> Iterator[tuple[NDArray[np.int64], Tokens]]:
        """Encode, while threads draw the views of the next passes.

        Every pass is as long as the others, if need be filled up with black, so that the rounding of a view's tokens
        depends neither on how many views there are nor on which come with it.

        Args:
            order: the views to encode, in that order; None for all, those of an image together.
            project: also run the projector.

        Yields:
            (b,) indices of views, and what the encoder says of them; rows from b on are filling.

        Raises:
            DatasetError: an image cannot be read.
            RequestError: no such transform, or no projector.
        """
        encoder = self.encoder
        device = self.device
        mean, std = (torch.tensor(value, device=device).view(3, 1, 1) for value in (encoder.mean, encoder.std))
        drawn = render(self.views.views, self.transform, encoder.image_size, batch_size=self.batch_size, order=order)
        for indices, batch in drawn:
            filling = np.zeros((self.batch_size - len(batch), *batch.shape[1:]), np.uint8)
            filled = np.concatenate([batch, filling]) if len(filling) else batch
            pixels = torch.from_numpy(filled).to(device).permute(0, 3, 1, 2).float() / 255
            if self.permute:
                pixels = permute_patches(pixels, encoder.patch_size, seeds=np.resize(indices, len(pixels)))
            yield indices, encoder((pixels - mean) / std, project=project)


def all_tokens(output: Tokens) -> Tensor:
    """(B, 1 + n, D): class token, then patch tokens."""
    return torch.cat([output.cls[:, None], output.patches.flatten(2).mT], dim=1)


_KEPT: Mapping[str, Callable[[Tokens], Tensor | None]] = {
    "encoded": lambda output: output.patches.mean((2, 3)),
    "cls": lambda output: output.cls,
    "projected": lambda output: output.projected,
    "tokens": all_tokens,
}


def extract(passes: Passes, keep: Collection[str], *, cache: Path | None = None) -> Features:
    """One forward pass over all views.

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
    asked = sorted(set(keep))
    about = [identity(passes.encoder), passes.views.digest, passes.transform, passes.permute]
    key = digest_of([*about, asked, code_digest("suite.features"), constants_digest(), environment_of(passes.device)])
    path = None if cache is None else cache / "features" / f"{key}.safetensors"
    if path is not None and path.exists():
        os.utime(path)
        return Features(**load_file(path))
    features = _encode(passes, asked)
    if path is not None:
        _remember(path, features)
    return features


def identity(encoder: Encoder) -> dict[str, object]:
    """Everything about an encoder that decides its features: weights, normalisations, sizes, code of a user's."""
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
    found: dict[str, Tensor] = {}
    for indices, output in passes.run(project="projected" in keep):
        for name in keep:
            value = _KEPT[name](output)
            assert value is not None
            if name not in found:
                found[name] = torch.empty(len(passes), *value.shape[1:])
            found[name][torch.from_numpy(indices)] = value[: len(indices)].float().cpu()
    return Features(**found)


def permute_patches(pixels: Tensor, size: int, *, seeds: NDArray[np.int64]) -> Tensor:
    """Shuffle the patches of each image, seeded by its index so that batches do not matter."""
    _, channels, height, width = pixels.shape
    grid = pixels.unfold(2, size, size).unfold(3, size, size).flatten(2, 3)
    orders = [np.random.default_rng(seed).permutation(grid.shape[2]) for seed in seeds]
    index = torch.from_numpy(np.stack(orders)).to(pixels.device)
    shuffled = grid.gather(2, index[:, None, :, None, None].expand_as(grid))
    rows = shuffled.view(-1, channels, height // size, width // size, size, size)
    return rows.permute(0, 1, 2, 4, 3, 5).reshape(pixels.shape)


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
