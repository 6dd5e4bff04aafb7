"""All against all by cosine similarity, and the average precision of each ranking: the one costly step of retrieval.

A cosine is below 2 in size, so one of its 32 bits is always zero. Dropping that bit makes room for the item's
relevance: one int32 per item orders the gallery and says what is relevant, and one sort of values (no indices)
per query is enough. Only the relevant items are looked at afterwards.

The product of features runs where the features are; the rankings always run on the processor, a thread each,
where NumPy sorts int32 with vector instructions (here ten times faster than torch).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.errors import MetricError
from suite.protocol.constants import constant

EPSILON: float = constant("retrieval", "smallest_norm")
"""Smallest norm that a feature is divided by (`torch.cosine_similarity`)."""
BLOCK_SCORES = 1 << 23
"""Scores held at once: 32 MiB, enough rows for a fast matrix product."""
WHOLE_GALLERY = 1 << 28
"""Largest N x D whose normalised copy is kept; beyond it (65,536-d projections) pieces are made as needed."""
QUERIES_AT_ONCE = 1024
"""Queries of such a gallery at a time: its pieces are normalised anew for so many."""
RANKED_AT_ONCE = 32
"""Queries that a thread ranks in one go: handed over one by one, 2,400 of as many items take twice as long."""
_INT32_MAX = np.int32((1 << 31) - 1)


def average_precisions(features: Tensor, codes: NDArray[np.int32], chunk: int | None) -> NDArray[np.float64]:
    """Return the AP of every item as a query against all items.

    Args:
        features: (N, D), compared by cosine in float32.
        codes: (N,) class of each item.
        chunk: queries whose scores are held at once, rounded up to whole blocks of the product; None for one block.

    Returns:
        (N, 2) fractions: the query in its own gallery, and left out (NaN where nothing is left to find).

    Raises:
        MetricError: a feature is not finite (or its norm overflows float32).
    """
    block = max(1, BLOCK_SCORES // len(features)) if is_whole(*features.shape) else QUERIES_AT_ONCE
    step = -(-(chunk or block) // block) * block

    def ranked(queries: range, distances: NDArray[np.float32]) -> list[tuple[float, float]]:
        return [
            ranking_precision(packed_keys(row, codes == codes[query]), query)
            for query, row in zip(queries, distances, strict=True)
        ]

    results: list[tuple[float, float]] = []
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for queries, distances in _chunks(features, step, block):
            pieces = [slice(first, first + RANKED_AT_ONCE) for first in range(0, len(queries), RANKED_AT_ONCE)]
            for precisions in pool.map(lambda piece, q=queries, d=distances: ranked(q[piece], d[piece]), pieces):
                results.extend(precisions)
    return np.array(results)


def packed_keys(distances: NDArray[np.float32], relevant: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return order-preserving int32 keys of numbers below 2 in size, with relevance as the lowest bit.

    A negative float's bits grow with its size, hence the mirror; adding 0.0 makes -0.0 equal to 0.0.
    """
    bits = (distances + np.float32(0)).view(np.int32)
    keys = bits >> 31
    keys &= _INT32_MAX
    keys ^= bits
    keys <<= 1
    keys |= relevant
    return keys


def ranking_precision(keys: NDArray[np.int32], query: int) -> tuple[float, float]:
    """Return the AP of one ranking with the query in its own gallery, and without it; sorts the keys in place.

    A tie is one threshold: precision is taken at its end, which is the last of its relevant items, since
    these sort behind the others.
    """
    query_key = keys[query]
    keys.sort()
    places = np.flatnonzero((keys & 1).astype(bool))
    hits = keys[places]
    ends = np.flatnonzero(np.append(hits[1:] != hits[:-1], True))
    gained, found, ranks = np.diff(ends, prepend=-1), ends + 1, places[ends] + 1
    included = float((gained * found / ranks).sum() / len(hits))
    if len(hits) == 1:
        return included, float("nan")
    passed = hits[ends] >= query_key
    gained -= hits[ends] == query_key
    terms = gained * (found - passed) / np.maximum(ranks - passed, 1)
    return included, float(terms.sum() / (len(hits) - 1))


def normalised(features: Tensor, first: int = 0) -> Tensor:
    """Return unit rows in float32; `first` is the number of the first row, for the error."""
    features = features.float()
    norms = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    if not norms.isfinite().all():
        row = int((~norms.isfinite()).nonzero()[0, 0])
        raise MetricError(f"features: expected finite numbers, got a norm of {float(norms[row])} in row {first + row}")
    return features / norms.clamp(min=EPSILON)


def is_whole(items: int, width: int) -> bool:
    """Return whether the ranking keeps a normalised copy of its whole gallery."""
    return items * width <= WHOLE_GALLERY


def _chunks(features: Tensor, step: int, block: int) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """Yield queries, `step` at a time, and minus their cosine with every item, (B, N): ascending is best first.

    A product rounds by its number of rows (one of a single row by other kernels still), so the products are of the
    same `block` rows whatever the step, a multiple of it.
    """
    count, width = features.shape
    gallery = normalised(features) if is_whole(count, width) else None
    piece = count if gallery is not None else max(1, WHOLE_GALLERY // width)
    for start in range(0, count, step):
        rows = range(start, min(start + step, count))
        queries = -(normalised(features[start : rows.stop], start) if gallery is None else gallery[start : rows.stop])
        distances = np.empty((len(rows), count), np.float32)
        for left in range(0, count, piece):
            items = normalised(features[left : left + piece], left) if gallery is None else gallery
            for top in range(0, len(rows), block):
                part = slice(top, top + block)
                _product(queries[part], items, distances[part, left : left + piece])
        yield rows, distances


def _product(queries: Tensor, items: Tensor, out: NDArray[np.float32]) -> None:
    """Compute `queries @ items.T` on the device of both; NumPy's BLAS is faster where the processor is not Intel's."""
    if queries.device.type == "cpu":
        np.matmul(queries.numpy(), items.numpy().T, out=out)
    else:
        out[:] = (queries @ items.T).cpu().numpy()
