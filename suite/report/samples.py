"""Sample predictions of segmentation: image and truth once a set, then a row per encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite.core.files import Json
from suite.registry import method_order, title_of


@dataclass(frozen=True)
class Gallery:
    """Strips of one set: (row title, path in the run's folder), image and truth first."""

    dataset: str
    rows: tuple[tuple[str, str], ...]


def samples(figures: Sequence[Json]) -> list[Gallery]:
    """A gallery per set with predictions; image and truth are any encoder's, since all see the same."""
    strips = [figure for figure in figures if figure["kind"] == "segmentation"]
    found = []
    for dataset in dict.fromkeys(strip["dataset"] for strip in strips):
        of_set = [strip for strip in strips if strip["dataset"] == dataset]
        common = {strip["role"]: strip["path"] for strip in reversed(of_set)}
        predictions = {strip["method"]: strip["path"] for strip in of_set if strip["role"] == "prediction"}
        rows = [(role, common[role]) for role in ("image", "truth") if role in common]
        rows += [(title_of(method), predictions[method]) for method in sorted(predictions, key=method_order)]
        found.append(Gallery(dataset, tuple(rows)))
    return found
