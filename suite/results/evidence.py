"""A stored value against its own evidence: accuracy, AP and IoU made again from what the single items scored.

Whoever edits a value, and the digest of its file with it, has not edited the items; whoever replaces the items has not
edited the digest by which the file names them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from suite.errors import EvidenceError
from suite.results.image_counts import PARTS, unpack
from suite.results.records import PerItemScores, Result

ROUNDING = 1e-9
"""Points that summing float64 fractions in another order may move a mean: flags and pixel counts are integers, AP is
stored in float64, so 1e-16 a term of at most some million."""
FLAGS = ("accuracy", "top1")
AVERAGES = ("ap", "ap_excluding_self")
PIXELS = ("miou", "macc", "aacc")


def recompute(items: PerItemScores, name: str) -> list[float] | None:
    """Recompute one `setting/metric`, per cent, a value per seed; None where the items do not tell.

    Raises:
        ValueError: the items do not fit together.
    """
    setting, metric = name.split("/")
    if metric in (*FLAGS, *AVERAGES) and name in items.scores:
        _check_predicted(items, name)
        return [_mean(row) for row in items.scores[name]]
    if metric == "map" and f"{setting}/ap" in items.scores and "labels" in items.evidence:
        return [_mean_over_classes(row, items.evidence["labels"]) for row in items.scores[f"{setting}/ap"]]
    arrays = {part: items.evidence.get(f"{setting}.{part}") for part in PARTS}
    counts = {part: array for part, array in arrays.items() if array is not None}
    if metric in PIXELS and len(counts) == len(PARTS):
        return [run.percent()[metric] for run in unpack(counts)]
    return None


def check_values(result: Result, items: PerItemScores | None, place: str, items_place: str) -> None:
    """Hold every value of a result against its items.

    Args:
        result: as stored.
        items: its own; None where it names none.
        place: its file, for messages.
        items_place: the file of its items.

    Raises:
        EvidenceError: a value has no evidence, or is not what its items score; or the seeds are not theirs.
    """
    seeds = list(result.facts["seeds"])
    if items is not None and "seeds" in items.evidence and items.evidence["seeds"].tolist() != seeds:
        evidence_seeds = items.evidence["seeds"].tolist()
        raise EvidenceError(f"{place}: seeds: expected {evidence_seeds}, of which {items_place} is, got {seeds}")
    for name, values in result.values.items():
        try:
            evidence_values = None if items is None else recompute(items, name)
        except (ValueError, IndexError, TypeError, OverflowError) as error:
            raise EvidenceError(f"{items_place}: expected the evidence of {name}, got {error}") from error
        if evidence_values is None:
            raise EvidenceError(f"{place}: {name}: expected scores of single items in {items_place}, got none")
        if len(evidence_values) != len(values):
            raise EvidenceError(
                f"{place}: {name}: expected {len(evidence_values)} values, as {items_place} holds, got {len(values)}"
            )
        for run, (value, expected) in enumerate(zip(values, evidence_values, strict=True)):
            if not abs(value - expected) <= ROUNDING:
                seed_text = f" of seed {seeds[run]}" if seeds else ""
                raise EvidenceError(
                    f"{place}: {name}{seed_text}: expected {expected:.6f}, as the items of {items_place} score, got "
                    f"{value!r}"
                )


def _check_predicted(items: PerItemScores, name: str) -> None:
    """Hold which items a probe named correctly against what it took them for; older results do not tell.

    Raises:
        ValueError: they contradict each other.
    """
    predicted = items.evidence.get(f"{name.partition('/')[0]}.predicted")
    labels = items.evidence.get("labels")
    if predicted is not None and labels is not None:
        correct = items.scores[name].astype(bool)
        if predicted.shape != correct.shape or not np.array_equal(predicted == labels, correct):
            raise ValueError(
                "items that are said to be right although another class was predicted, or wrong although theirs was"
            )


def _mean(row: NDArray[np.generic]) -> float:
    """Average those that have a score at all, per cent."""
    values = row.astype(np.float64)
    scores = values[~np.isnan(values)]
    if not len(scores):
        raise ValueError("no item with a score")
    return 100 * float(scores.mean())


def _mean_over_classes(row: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    if row.shape != labels.shape:
        raise ValueError(f"{len(labels)} labels of {len(row)} items")
    mask = ~np.isnan(row)
    classes = [row[mask & (labels == label)] for label in np.unique(labels[mask])]
    return 100 * float(np.mean([class_scores.mean() for class_scores in classes]))
