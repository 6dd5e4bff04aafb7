"""Patch search (Figures 2 and 4; official code `pr_patch_retrieval_imagenet_vis.py`).

Every image is cut into 7 x 7 overlapping patches, which are ranked by cosine similarity to a query patch. The
figures show the nearest ones: by the encoder's output (its mean patch token, or as a variant its class token; the
official code draws both), and, where the method has one, by the projector's.
Nothing is judged here: the strips are for looking at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.experiments.base import Page
from suite.experiments.costs.search import searching
from suite.experiments.searching import SPLITS, patch_search, searched
from suite.protocol.settings import SearchSettings

if TYPE_CHECKING:
    from suite.experiments.judge import Trial

PAGE = Page(
    name="patch_search",
    settings=SearchSettings,
    items="searched images",
    splits=SPLITS,
    read=searched,
    run=patch_search,
    cost=searching,
    takes_limit=False,
)


def test_patch_search(trial: Trial) -> None:
    """Reproduce Figures 2 and 4."""
    trial.check(PAGE.run)
