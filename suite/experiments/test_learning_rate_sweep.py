"""Learning-rate sweep (TMLR version): part segmentation of LIP at six learning rates, to see what one of them hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.experiments.segmenting import segment

if TYPE_CHECKING:
    from suite.experiments.judge import Trial


def test_learning_rate_sweep(trial: Trial) -> None:
    """One head per learning rate, side by side."""
    trial.check(segment)
