"""Retrieval probe: nothing is fitted, all items are ranked for each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from suite.metrics import mean_ap, mean_class_ap, retrieval_average_precision_pair, undefined_queries
from suite.metrics.arrays import A, Array
from suite.metrics.ranking import BLOCK_SCORES, QUERIES_AT_ONCE, WHOLE_GALLERY, is_whole


@dataclass(frozen=True)
class RetrievalScores:
    """Scores that a retrieval experiment reports.

    Attributes:
        ap: mean AP over queries, each in its own gallery; per cent (paper, Table 3).
        map: mean over classes of their mean AP; per cent (the official code prints it too).
        ap_excluding_self: mean AP over queries, each left out of its gallery; per cent.
        per_query: (N,) AP of each query in its own gallery; fractions.
        per_query_excluding_self: (N,) AP of each query left out of its gallery; NaN where it is alone in its class.
        lone_queries: queries that are alone in their class: `ap_excluding_self` leaves them out.
    """

    ap: float
    map: float
    ap_excluding_self: float
    per_query: NDArray[np.float64]
    per_query_excluding_self: NDArray[np.float64]
    lone_queries: int


def retrieval_scores(features: A, labels: Array) -> RetrievalScores:
    """Rank all items by cosine similarity to each of them.

    Args:
        features: (N, D).
        labels: (N,) class of each item; the items of a query's class are relevant to it.

    Raises:
        MetricError: empty or mismatched arrays, a feature that is not finite, or no class with two items.

    Source: paper, section 4; official code, retrieval-classification/pr_patch_retrieval.py.
    """
    pair = retrieval_average_precision_pair(features, labels)
    included, excluded = (np.asarray(ap.cpu() if isinstance(ap, Tensor) else ap) for ap in pair)
    return RetrievalScores(
        ap=100 * mean_ap(included),
        map=100 * mean_class_ap(included, labels),
        ap_excluding_self=100 * mean_ap(excluded),
        per_query=included,
        per_query_excluding_self=excluded,
        lone_queries=undefined_queries(excluded),
    )


def ranking_bytes(items: int, width: int) -> int:
    """Count bytes to rank `items` vectors of `width` numbers, besides the vectors: normalised copies, and scores."""
    if is_whole(items, width):
        return 4 * (items * width + max(BLOCK_SCORES, items))
    # a piece of the gallery, the next one in the making, the queries, and their negative
    return 4 * (2 * WHOLE_GALLERY + 2 * QUERIES_AT_ONCE * width + QUERIES_AT_ONCE * items)
