"""Scores of single items, as experiments keep them beside a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.datasets.views import ViewSet
from suite.results.store import PerItemScores


def items_of(
    views: ViewSet,
    scores: Mapping[str, Sequence[NDArray[Any]]],
    evidence: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> PerItemScores:
    """Return the scores of every view, and which views are of one image.

    Args:
        views: N views.
        scores: name -> a row of N per seed, flags or float64 fractions; a single row where nothing is random.
        evidence: what else the values follow from.
    """
    images: dict[Path | int, int] = {}
    keys = (view.image if isinstance(view.image, Path) else id(view.image) for view in views.views)
    groups = np.array([images.setdefault(key, len(images)) for key in keys], np.int32)
    return PerItemScores({name: np.stack(rows) for name, rows in scores.items()}, views.digest, groups, evidence)
