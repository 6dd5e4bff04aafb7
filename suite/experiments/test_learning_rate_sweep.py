"""Learning-rate sweep (TMLR version): part segmentation of LIP at six learning rates, to see what one of them hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.experiments.base import Page
from suite.experiments.costs.segmentation import segmenting
from suite.experiments.heads import SPLITS, masks
from suite.experiments.segmenting import segment
from suite.protocol.settings import SegmentationSettings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

PAGE = Page(
    name="learning_rate_sweep",
    settings=SegmentationSettings,
    items="masks",
    splits=SPLITS,
    read=masks,
    run=segment,
    cost=segmenting,
)


def test_learning_rate_sweep(trial: Trial) -> None:
    """Train one head per learning rate, side by side."""
    trial.check(PAGE.run)
