"""How far a try moves a cell, with its noise: a paired bootstrap over the images of both runs.

`suite.judge.paired` compares means of items. A cell that is no mean of them is written as one: mAP by weighing each
query by its class; mIoU, mAcc and aAcc by what each image adds to the value (the influence of the infinitesimal
jackknife), so that the mean is the value and the interval that of its linear part.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapters 13 and 22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.judge.bootstrap import share_across, values_drawn
from suite.judge.paired import Difference, differences
from suite.results.evidence import PIXELS
from suite.results.image_counts import PARTS, ImageCounts, ratio, unpack
from suite.results.image_sums import sums_of_scores
from suite.results.store import PerItemScores


@dataclass(frozen=True)
class Scores:
    """Scores of items whose mean is a cell.

    Attributes:
        rows: (R, N) fractions, a row per seed.
        groups: (N,) image of each item.
        identity: of the items: scores may be paired only where it is the same.
    """

    rows: NDArray[np.float64]
    groups: NDArray[np.int32]
    identity: str

    def pairs_with(self, other: Scores) -> bool:
        """Tell whether the scores are of the same items."""
        return self.identity == other.identity and self.rows.shape[1] == other.rows.shape[1]


def scores_of(items: PerItemScores | None, setting: str, metric: str) -> Scores | None:
    """Return scores whose mean is a cell; None where the items do not tell.

    Args:
        items: of the cell's result.
        setting: of the cell.
        metric: of the cell.
    """
    if items is None:
        return None
    name = f"{setting}/{metric}"
    if metric in PIXELS:
        parts = {part: items.evidence.get(f"{setting}.{part}") for part in PARTS}
        arrays = {part: array for part, array in parts.items() if array is not None}
        if len(arrays) < len(PARTS):
            return None
        rows = np.stack([_influences(counts, metric) for counts in unpack(arrays)])
        return Scores(rows, np.arange(rows.shape[1], dtype=np.int32), items.identity)
    if metric == "map" and f"{setting}/ap" in items.scores and "labels" in items.evidence:
        rows = items.scores[f"{setting}/ap"] * _class_weights(items.evidence["labels"])
    elif name in items.scores:
        rows = items.scores[name]
    else:
        return None
    rows = rows.astype(np.float64)
    has_score = ~np.isnan(rows).any(axis=0)  # a query that is alone in its class has none
    return Scores(rows[:, has_score], items.groups[has_score], items.identity)


def moved(run: Scores, trial: Scores) -> Difference:
    """Compare a trial with the run: how far it moves the cell, in points.

    Where both are of the same items these are drawn together; else, as of other splits, each for itself.
    """
    sums = {name: sums_of_scores(own.rows, own.groups) for name, own in (("trial", trial), ("run", run))}
    if run.pairs_with(trial):
        return differences(sums, [("trial", "run")], items=run.rows.shape[1])["trial", "run"]
    first, second = (values_drawn({name: own})[name] for name, own in sums.items())
    drawn = first - second[::-1]  # both begin with the same random numbers
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Difference(
        100 * float(trial.rows.mean() - run.rows.mean()),
        float(low),
        float(high),
        share_across(0, drawn),
        trial.rows.shape[1],
        len(np.unique(trial.groups)),
    )


def _class_weights(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weigh N items so that their mean is the mean over classes of class means."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(labels) / (len(counts) * counts[places])
    return weights


def _influences(counts: ImageCounts, metric: str) -> NDArray[np.float64]:
    """Write a value of N images as the mean of N numbers, fractions."""
    wholes: Mapping[str, NDArray[np.int64]] = {"miou": counts.union, "macc": counts.labelled}
    part, whole = counts.correct, wholes.get(metric, counts.labelled)
    if metric == "aacc":
        part, whole = part.sum(axis=1, keepdims=True), whole.sum(axis=1, keepdims=True)
    has_class = whole.sum(axis=0) > 0
    part, whole = part[:, has_class], whole[:, has_class]
    share = ratio(part.sum(axis=0), whole.sum(axis=0))
    added = len(part) * (part - share * whole) / whole.sum(axis=0)
    influences: NDArray[np.float64] = (share + added).mean(axis=1)
    return influences
