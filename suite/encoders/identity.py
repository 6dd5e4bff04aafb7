"""Identity of an encoder: all that decides its features, what a user's code makes of pictures included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from suite.encoders.encoder import Encoder

_SEED = 2301


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
        **({"tokens": encoder.tokens} if encoder.tokens else {}),
        **({"altered": list(encoder.altered)} if encoder.altered else {}),
    }


def tokens_digest(encoder: Encoder) -> str:
    """Return the SHA-256 of what an encoder makes of two fixed pictures: tokens, projection and every block's output.

    A user's code may read what no digest of weights and files sees: a function elsewhere, an environment variable, a
    data file. One picture has the encoder's own size, a slim one is higher and narrower, since positions may be resized
    by such a function too. It is computed by one thread, so that it is the same in every process of a machine; what
    cannot be computed counts as a failure of its kind.
    """
    total = hashlib.sha256()
    side, patch = encoder.image_size, encoder.patch_size
    with _one_thread(), torch.random.fork_rng(devices=[]):
        for height, width in ((side, side), (side + patch, 2 * patch)):
            pixels = torch.from_numpy(np.random.default_rng(_SEED).random((1, 3, height, width), dtype=np.float32))
            mean, std = (
                torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (encoder.mean, encoder.std)
            )
            images = ((pixels - mean) / std).to(encoder.device)
            for layers in ((), tuple(range(encoder.depth))):
                for name, value in _outputs(encoder, images, layers):
                    total.update(name.encode())
                    if value is not None:
                        total.update(value.detach().cpu().float().contiguous().numpy().data)
    return total.hexdigest()


def _outputs(encoder: Encoder, images: Tensor, layers: tuple[int, ...]) -> Iterator[tuple[str, Tensor | None]]:
    try:
        tokens = encoder(images, layers=layers, project=encoder.has_projector)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's forward pass may fail in any way, e.g. at any size but its own
        yield f"fails: {type(error).__name__}", None
        return
    yield from (("cls", tokens.cls), ("patches", tokens.patches), ("projected", tokens.projected))
    yield from ((f"layer {index}", value) for index, value in tokens.layers.items())


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
