"""Object segmentation (section 4.1, Table 2 and Figure 6): a 1x1 convolution on four frozen blocks.

Objects of ADE20K (150 classes, and the 59 that have parts) and of Pascal (16 classes).
"""

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
    name="object_segmentation",
    settings=SegmentationSettings,
    items="masks",
    splits=SPLITS,
    read=masks,
    run=segment,
    cost=segmenting,
)


def test_object_segmentation(trial: Trial) -> None:
    """Reproduce Table 2, Figure 6."""
    trial.check(PAGE.run)
