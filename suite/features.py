"""Encode every view once, keep what the heads need, and remember it by content."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from suite.datasets.views import ViewSet, render
from suite.encoders import Encoder
from suite.errors import StorageError
from suite.protocol import digest_of
from suite.provenance import code_digest

CACHE_BYTES = 4 << 30
_CODE = ("features.py", "encoders", "datasets/pixels.py", "datasets/views.py")


@dataclass(frozen=True)
class Features:
    """What an encoder says of N views; float32, on the CPU.

    Attributes:
        encoded: (N, D) mean of the patch tokens after the final norm.
        cls: (N, D) class token after the final norm.
        projected: (N, P) output of the projector on the class token; None where there is none.
        tokens: (N, 1 + n, D) class token, then patch tokens; None unless asked for.
    """

    encoded: Tensor
    cls: Tensor
    projected: Tensor | None = None
    tokens: Tensor | None = None

    def setting(self, name: str) -> Tensor:
        """The (N, D) vectors that a retrieval setting compares."""
        vectors = getattr(self, name)
        assert isinstance(vectors, Tensor)
        return vectors


def extract(
    encoder: Encoder,
    views: ViewSet,
    *,
    transform: str,
    tokens: bool = False,
    permute: bool = False,
    batch_size: int = 128,
    cache: Path | None = None,
) -> Features:
    """One forward pass over all views.

    Args:
        encoder: frozen; its device is where the work is done.
        views: N views.
        transform: how a view becomes a square image (`suite.datasets.pixels`).
        tokens: keep all tokens too, as probes need them.
        permute: shuffle the patches of every image, which is what the paper's code does to MAE
            (`retrieval-classification/vits.py`: random masking at ratio 0 before positions are added).
        batch_size: views a pass; the result does not depend on it.
        cache: folder to remember the result in, or None.

    Returns:
        Features of the views, in their order.
    """
    key = digest_of([identity(encoder), views.digest, transform, tokens, permute, code_digest(_CODE)])
    path = None if cache is None else cache / "features" / f"{key}.safetensors"
    if path is not None and path.exists():
        os.utime(path)
        return Features(**load_file(path))
    features = _encode(encoder, views, transform=transform, tokens=tokens, permute=permute, batch_size=batch_size)
    if path is not None:
        _remember(path, features)
    return features


def identity(encoder: Encoder) -> dict[str, object]:
    """Everything about an encoder that decides its features: weights, normalisation, sizes, code of a user's."""
    return {
        "name": encoder.name,
        "digest": encoder.digest,
        "mean": list(encoder.mean),
        "std": list(encoder.std),
        "image_size": encoder.image_size,
        "patch_size": encoder.patch_size,
        "code": encoder.code,
    }


def _encode(
    encoder: Encoder, views: ViewSet, *, transform: str, tokens: bool, permute: bool, batch_size: int
) -> Features:
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    mean = torch.tensor(encoder.mean, device=device).view(3, 1, 1)
    std = torch.tensor(encoder.std, device=device).view(3, 1, 1)
    found: dict[str, Tensor] = {}
    for indices, batch in render(views.views, transform, encoder.image_size, batch_size=batch_size):
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255
        if permute:
            pixels = permute_patches(pixels, encoder.patch_size, seeds=indices)
        output = encoder((pixels - mean) / std, project=encoder.has_projector)
        kept = {"encoded": output.patches.mean((2, 3)), "cls": output.cls, "projected": output.projected}
        if tokens:
            kept["tokens"] = torch.cat([output.cls[:, None], output.patches.flatten(2).mT], dim=1)
        for name, value in kept.items():
            if value is not None:
                if name not in found:
                    found[name] = torch.empty(len(views), *value.shape[1:])
                found[name][torch.from_numpy(indices)] = value.float().cpu()
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
        if total > CACHE_BYTES and entry != path:
            entry.unlink(missing_ok=True)
