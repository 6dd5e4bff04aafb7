"""Extraction: encode every view once, keep what was asked for, and remember it by content.

A pass makes all that is asked of it, and each output is remembered on its own, under the keys of the views. What is
made together has the bits of what is made alone: an output is a function of the pass's tokens, and these depend
neither on what else is made of them nor on the other views (`suite.encoders.forward.Forward`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.core.source_code import code_digest
from suite.datasets.views import by_image
from suite.encoders.encoder import Tokens
from suite.encoders.identity import identity
from suite.features.cache import Cache
from suite.features.entry import KEY_BYTES, Keys
from suite.features.passes import Passes
from suite.protocol.constants import constants_digest

BESIDE = ("encoded", "cls", "projected")
"""Outputs that other experiments on the same views ask for."""
BESIDE_SHARE = 4
"""They are kept beside what was asked for if they take at most a fourth of it."""


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


_KEPT: Mapping[str, Callable[[Tokens], Tensor | None]] = {
    "encoded": lambda output: output.patches.mean((2, 3)),
    "cls": lambda output: output.cls,
    "projected": lambda output: output.projected,
    "tokens": lambda output: output.sequence,
}


def extract(passes: Passes, keep: Collection[str], *, cache: Cache | None = None) -> Features:
    """Run one forward pass over all views that the cache does not have.

    Args:
        passes: the views and how they are encoded.
        keep: names of the attributes wanted; nothing else is held. Without a cache nothing else is computed either.
        cache: where features are remembered, or None.

    Returns:
        Features of the views, in their order.

    Raises:
        DatasetError: an image cannot be read.
        RequestError: projections of an encoder that has no projector.
    """
    names = sorted(set(keep))
    if cache is None or not cache.gigabytes:
        values = _encode(passes, np.arange(len(passes)), names)
        if cache is not None:
            cache.tally.computed += len(passes)
        return Features(**values)
    return Features(**_through(cache, passes, names))


def _through(cache: Cache, passes: Passes, names: Collection[str]) -> dict[str, Tensor]:
    """Return (N, ...) numbers by name, from the cache or else encoded, and then kept."""
    passes = passes.fitting()
    keys, groups = keys_of(passes), {name: group_of(passes, name) for name in {*names, *BESIDE}}
    recalled = {name: cache.recall(groups[name], keys) for name in names}
    missing = np.flatnonzero(~np.logical_and.reduce([is_stored for _, is_stored in recalled.values()]))
    cache.tally.cached += len(passes) - len(missing)
    cache.tally.computed += len(missing)
    values = {name: torch.from_numpy(rows) for name, (rows, _) in recalled.items() if rows is not None}
    if not len(missing):
        return values
    encoded = _encode(passes, missing, names, beside=True)
    for name, rows in encoded.items():
        is_stored = recalled[name][1][missing] if name in recalled else cache.stored(groups[name], keys[missing])
        kept = rows if not is_stored.any() else rows[torch.from_numpy(~is_stored)]
        if passes.fitting().batch_size == passes.batch_size:  # else some are rounded as smaller passes round them
            cache.keep(groups[name], keys[missing][~is_stored], kept.numpy())
    for name in names:
        if len(missing) == len(passes):
            values[name] = encoded[name]
        else:
            values.setdefault(name, torch.empty(len(passes), *encoded[name].shape[1:]))
            values[name][torch.from_numpy(missing)] = encoded[name]
    return {name: values[name] for name in names}


def group_of(passes: Passes, name: str) -> str:
    """Return the digest of all that decides an output's numbers besides the view: hex digits."""
    how = [identity(passes.encoder), passes.transform, passes.permute, passes.batch_size, name]
    origin = [code_digest("suite.features"), constants_digest(), environment_of(passes.encoder.device)]
    return digest_of([*how, *origin])


def keys_of(passes: Passes) -> Keys:
    """Return (N,) keys of the views: what decides their pixels, and where patches are shuffled by it, their index."""
    keys = passes.views.keys
    if passes.permute:
        keys = [f"{key} {index}" for index, key in enumerate(keys)]
    return np.array(
        [sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:KEY_BYTES] for key in keys], dtype=f"S{KEY_BYTES}"
    )


def kept_beside(requested: Mapping[str, int], others: Mapping[str, int]) -> list[str]:
    """Name the outputs that are kept beside those asked for, since other experiments may ask for them.

    Args:
        requested: name -> numbers a view, of what was asked for.
        others: likewise, of what could be made besides.
    """
    most = sum(requested.values()) // BESIDE_SHARE
    return [name for name, width in others.items() if name not in requested and 0 < width <= most]


def _encode(
    passes: Passes, rows: NDArray[np.int64], names: Iterable[str], *, beside: bool = False
) -> dict[str, Tensor]:
    """Encode some views: name -> (M, ...) numbers; `beside` those asked for also what `kept_beside` names."""
    names = list(names)
    may_project = beside and "tokens" in names and passes.encoder.has_projector
    order = by_image(passes.views.views)
    order = order[np.isin(order, rows)]
    places = np.searchsorted(rows, np.arange(len(passes)))
    values: dict[str, Tensor] = {}
    for indices, output in passes.run(order, project=may_project or "projected" in names):
        if not values:
            values = _room(output, len(rows), names, beside=beside)
        at = torch.from_numpy(places[indices])
        for name, room in values.items():
            value = _KEPT[name](output)
            assert value is not None
            room[at] = value[: len(indices)].float().cpu()
    return values


def _room(output: Tokens, count: int, names: Collection[str], *, beside: bool) -> dict[str, Tensor]:
    """Make (count, ...) tensors for what is kept of a pass."""
    outputs = {name: of(output) for name, of in _KEPT.items() if name in names or (beside and name in BESIDE)}
    shapes = {name: value.shape[1:] for name, value in outputs.items() if value is not None}
    widths = {name: shapes[name].numel() for name in names}
    kept = [*names, *(kept_beside(widths, {n: shape.numel() for n, shape in shapes.items()}) if beside else [])]
    return {name: torch.empty(count, *shapes[name]) for name in kept}
