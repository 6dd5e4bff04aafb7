"""Part segmentation (section 4.2, Table 4): the same heads on parts of ADE20K (209), Pascal (193) and LIP (19)."""

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
    name="part_segmentation",
    settings=SegmentationSettings,
    items="masks",
    splits=SPLITS,
    read=masks,
    run=segment,
    cost=segmenting,
)


def test_part_segmentation(trial: Trial) -> None:
    """Reproduce Table 4."""
    trial.check(PAGE.run)
