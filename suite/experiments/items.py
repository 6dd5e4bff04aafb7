"""Scores of single items, as experiments keep them beside a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from suite.datasets.views import ViewSet
from suite.results import Items


def items_of(views: ViewSet, scores: Mapping[str, Sequence[ArrayLike]]) -> Items:
    """Scores of every view, and which views are of one image.

    Args:
        views: N views.
        scores: name -> a row of N fractions per seed; a single row where nothing is random.
    """
    images: dict[Path | int, int] = {}
    keys = (view.image if isinstance(view.image, Path) else id(view.image) for view in views.views)
    groups = np.array([images.setdefault(key, len(images)) for key in keys], np.int32)
    arrays = {name: np.stack([np.asarray(row, np.float32) for row in rows]) for name, rows in scores.items()}
    return Items(arrays, views.digest, groups)
