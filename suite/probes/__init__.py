"""Probes, fitted to frozen tokens (paper, section 4; code, retrieval-classification/ and segmentation/)."""

from suite.probes.attentive import AttentiveHead
from suite.probes.linear import LinearHead
from suite.probes.predict import predict
from suite.probes.segmentation import SegmentationHead
from suite.probes.tiled_loss import segmentation_loss
from suite.probes.windows import sliding_windows

__all__ = [
    "AttentiveHead",
    "LinearHead",
    "SegmentationHead",
    "predict",
    "segmentation_loss",
    "sliding_windows",
]
