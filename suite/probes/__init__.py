"""Probes: what is fitted to frozen tokens, and how (paper, section 4; official code, retrieval-classification/)."""

from suite.probes.attentive import AttentiveHead
from suite.probes.fit import cosine_lr, fit_probe, fit_probes, predict
from suite.probes.linear import LinearHead

__all__ = ["AttentiveHead", "LinearHead", "cosine_lr", "fit_probe", "fit_probes", "predict"]
