"""Metrics: pure functions of arrays (NumPy or torch in, same kind out); fractions, never per cent."""

from suite.metrics.classification import top1_accuracy
from suite.metrics.retrieval import (
    average_precision,
    mean_ap,
    mean_class_ap,
    retrieval_average_precision,
    retrieval_average_precision_pair,
    undefined_queries,
)
from suite.metrics.segmentation import SegmentationCounts

__all__ = [
    "SegmentationCounts",
    "average_precision",
    "mean_ap",
    "mean_class_ap",
    "retrieval_average_precision",
    "retrieval_average_precision_pair",
    "top1_accuracy",
    "undefined_queries",
]
