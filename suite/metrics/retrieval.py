"""Average precision (AP) with scikit-learn's tie rule, for one ranking and for all against all."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from suite.errors import MetricError
from suite.metrics.arrays import A, Array, class_codes, integer, like, tensor
from suite.metrics.ranking import average_precisions


def average_precision(scores: Array, relevant: Array) -> float:
    """Return the AP of one query over its gallery.

    AP = sum of (R_n - R_{n-1}) * P_n over distinct scores; items with equal scores form one threshold.

    Args:
        scores: (G,) similarity to the query; real numbers, compared in float64 (integers in int64); higher is closer.
        relevant: (G,) True where the item has the query's class.

    Returns:
        AP, a fraction in (0, 1].

    Raises:
        MetricError: shapes differ, a score is not finite, relevance is not 0 or 1, or nothing is relevant.

    Source: official code, retrieval-classification/pr_patch_retrieval.py: scikit-learn `average_precision_score`.

    Example:
        >>> round(average_precision(np.array([0.9, 0.2, -0.1]), np.array([True, False, True])), 4)
        0.8333
    """
    numbers = tensor(scores, "scores", "(G,)").cpu()
    values = (numbers.double() if numbers.is_floating_point() else numbers.long()).numpy()
    hits = tensor(relevant, "relevant", "(G,)").cpu().double().numpy()
    if values.shape != hits.shape:
        raise MetricError(f"relevant: expected shape {values.shape}, as scores have, got {hits.shape}")
    if not np.isfinite(values).all():
        raise MetricError("scores: expected finite numbers, got nan or infinity")
    if not np.isin(hits, (0, 1)).all() or not hits.any():
        raise MetricError("relevant: expected 0 or 1 with at least one relevant item, got none or other values")
    distinct, place = np.unique(values, return_inverse=True)
    threshold = len(distinct) - 1 - place
    gained = np.bincount(threshold, weights=hits)
    precision = gained.cumsum() / np.bincount(threshold).cumsum()
    return float((gained * precision).sum() / gained.sum())


def retrieval_average_precision(
    features: A, labels: Array, *, include_self: bool = True, chunk: int | None = None
) -> A:
    """Return the AP of every item as a query against all items, ranked by cosine similarity.

    Args:
        features: (N, D) real numbers; compared in float32, norms of at least 1e-8.
        labels: (N,) class of each item; an item is relevant to the queries of its class.
        include_self: keep each query in its own gallery, as the paper's code does.
        chunk: queries whose scores are held at once, rounded up to whole blocks of the product (32 MiB of scores; 1,024
            queries where `features` are too large for a normalised copy), which are all that is held by default. More
            spare such features being normalised as often; the blocks, and so the result, do not change.

    Returns:
        (N,) float64 fractions, of the kind and on the device of `features`. NaN for a query that has nothing
        left to find: `include_self=False` and no other item of its class.

    Raises:
        MetricError: an empty or misshapen array, a feature that is not finite, `chunk` below 1.

    Source: section 4.2; official code, retrieval-classification/pr_patch_retrieval.py.
    """
    included, excluded = retrieval_average_precision_pair(features, labels, chunk=chunk)
    return included if include_self else excluded


@torch.no_grad()
def retrieval_average_precision_pair(features: A, labels: Array, *, chunk: int | None = None) -> tuple[A, A]:
    """Return `retrieval_average_precision` with each query in its own gallery, and without, from one ranking.

    Returns:
        Two (N,) arrays: self included, self excluded (NaN where nothing is left to find).
    """
    items = tensor(features, "features", "(N, D)")
    codes = class_codes(labels, len(items))
    if chunk is not None and integer(chunk, "chunk") < 1:
        raise MetricError(f"chunk: expected at least 1 query a block, got {chunk}")
    with torch.autocast(items.device.type, enabled=False):  # half precision would tie what does not tie
        pairs = average_precisions(items, codes.astype(np.int32), chunk)
    return like(pairs[:, 0], features), like(pairs[:, 1], features)


def mean_ap(per_query: Array) -> float:
    """Return the mean AP over the queries that have one; what the paper's tables call AP.

    Args:
        per_query: (N,) fractions; NaN where AP is not defined (see `undefined_queries`).

    Raises:
        MetricError: no query has an AP.
    """
    values = _defined(per_query)[1]
    return float(values.mean())


def mean_class_ap(per_query: Array, labels: Array) -> float:
    """Return the mean over classes of each class's mean AP; what the paper's code prints as mAP.

    Args:
        per_query: (N,) fractions; NaN is left out, and so is a class that has nothing else.
        labels: (N,) class of each query.

    Raises:
        MetricError: no query has an AP, or not one label per query.
    """
    defined, values = _defined(per_query)
    codes = class_codes(labels, len(defined))[defined]
    counts = np.bincount(codes)
    return float((np.bincount(codes, weights=values)[counts > 0] / counts[counts > 0]).mean())


def undefined_queries(per_query: Array) -> int:
    """Return the number of queries without an AP, which the means leave out."""
    return int(np.isnan(tensor(per_query, "per_query", "(N,)").cpu().double().numpy()).sum())


def _defined(per_query: Array) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    values = tensor(per_query, "per_query", "(N,)").cpu().double().numpy()
    defined = ~np.isnan(values)
    if not defined.any():
        raise MetricError(f"per_query: expected a query with a relevant item, got none among {len(values)}")
    return defined, values[defined]
