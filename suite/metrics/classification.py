"""Top-1 accuracy."""

from __future__ import annotations

from torch import Tensor

from suite.errors import MetricError
from suite.metrics.arrays import Array, tensor


def top1_accuracy(logits: Array, labels: Array) -> float:
    """Return the share of items whose highest logit is that of their label; the first of equal logits counts.

    Args:
        logits: (N, C) finite scores.
        labels: (N,) integers in [0, C).

    Returns:
        A fraction in [0, 1].

    Raises:
        MetricError: empty, mismatched or non-finite input, or a label outside [0, C).

    Source: official code, retrieval-classification/patch_lincls.py, `accuracy`.
    """
    _, correct = top1(logits, labels)
    return float(correct.double().mean())


def top1(logits: Array, labels: Array) -> tuple[Tensor, Tensor]:
    """Return what every item is taken for, and whether `top1_accuracy` counts it; same arguments, same errors.

    Returns:
        (N,) int64 classes and (N,) bool, on the device of the logits.
    """
    scores, truth = tensor(logits, "logits", "(N, C)"), tensor(labels, "labels", "(N,)")
    if len(scores) != len(truth):
        raise MetricError(f"labels: expected shape ({len(scores)},), one per row of logits, got {tuple(truth.shape)}")
    if not scores.isfinite().all():
        raise MetricError("logits: expected finite numbers, got nan or infinity")
    if truth.is_floating_point() or truth.min() < 0 or int(truth.max()) >= scores.shape[1]:
        raise MetricError(
            f"labels: expected integers in [0, {scores.shape[1]}), got {truth.dtype} {truth.min()} to {truth.max()}"
        )
    classes = scores.argmax(1)
    return classes, classes == truth.to(scores.device)
