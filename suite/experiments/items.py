"""Scores of single items, as experiments keep them beside a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.datasets.digests import array_key
from suite.datasets.views import ViewSet
from suite.results.item_names import COLUMNS
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
    rows_by_name = {name: np.stack(rows) for name, rows in scores.items()}
    return PerItemScores(rows_by_name, views.digest, groups, evidence, names_of(views))


def names_of(views: ViewSet) -> dict[str, list[str]]:
    """Return what every view is called: its image, the box cut from it, its label."""
    names: dict[Path | int, str] = {}
    for view in views.views:
        image = view.image
        if isinstance(image, Path):
            names.setdefault(image, image_name(image))
        elif id(image) not in names:
            names[id(image)] = f"sha256:{array_key(image)[:16]}"
    keys = (view.image if isinstance(view.image, Path) else id(view.image) for view in views.views)
    boxes = [("",) * 4 if view.box is None else tuple(map(str, view.box)) for view in views.views]
    rows = [
        (names[key], *box, views.class_names[label]) for key, box, label in zip(keys, boxes, views.labels, strict=True)
    ]
    return {column: [row[k] for row in rows] for k, column in enumerate(COLUMNS)}


def image_name(path: Path) -> str:
    """Return a file's name with its folder's, which is the same wherever the data lie."""
    return f"{path.parent.name}/{path.name}"
