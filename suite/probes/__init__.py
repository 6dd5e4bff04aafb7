"""Probes: what is fitted to frozen tokens (paper, section 4; code, retrieval-classification/ and segmentation/)."""

from suite.probes.attentive import AttentiveHead
from suite.probes.fit import cosine_lr, fit_probe, fit_probes, predict
from suite.probes.linear import LinearHead
from suite.probes.segmentation import SegmentationHead, segmentation_loss, sliding_windows

__all__ = [
    "AttentiveHead",
    "LinearHead",
    "SegmentationHead",
    "cosine_lr",
    "fit_probe",
    "fit_probes",
    "predict",
    "segmentation_loss",
    "sliding_windows",
]
