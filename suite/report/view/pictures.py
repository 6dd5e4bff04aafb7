"""Pictures of a run by the place they are shown in: strips of patch search, sample predictions of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite.core.files import Json
from suite.registry import method_order, title_of


@dataclass(frozen=True)
class Strip:
    """A query patch and its nearest patches by one encoder's features; `path` is in the run's folder."""

    method: str
    setting: str
    query: str
    path: str


@dataclass(frozen=True)
class Query:
    """The strips of one query, by encoder in the paper's order, `encoded` above `projected`."""

    query: str
    rows: tuple[tuple[str, tuple[Strip, ...]], ...]


@dataclass(frozen=True)
class Search:
    """Patch search: all strips as they were made, and by query."""

    strips: tuple[Strip, ...]
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Gallery:
    """Sample predictions on one dataset, `name`: (row title, path in the run's folder), image and truth first."""

    name: str
    dataset: str
    rows: tuple[tuple[str, str], ...]


def search(figures: Sequence[Json]) -> Search:
    """Show patch search."""
    strips = [figure for figure in figures if figure["kind"] == "patch_search"]
    queries = dict.fromkeys(strip["query"] for strip in strips)
    return Search(
        strips=tuple(map(_strip, strips)),
        queries=tuple(_query(query, [strip for strip in strips if strip["query"] == query]) for query in queries),
    )


def _query(query: str, strips: Sequence[Json]) -> Query:
    order = sorted(strips, key=lambda s: (s["setting"] != "encoded", s["setting"] != "projected", s["setting"]))
    methods = sorted({strip["method"] for strip in strips}, key=method_order)
    rows = [(title_of(m), tuple(_strip(strip) for strip in order if strip["method"] == m)) for m in methods]
    return Query(query, tuple(rows))


def _strip(figure: Json) -> Strip:
    return Strip(title_of(figure["method"]), title_of(figure["setting"]), figure["query"], figure["path"])


def samples(figures: Sequence[Json]) -> tuple[Gallery, ...]:
    """Make a gallery per set with predictions; image and truth are any encoder's, since all see the same."""
    strips = [figure for figure in figures if figure["kind"] == "segmentation"]
    datasets = dict.fromkeys(strip["dataset"] for strip in strips)
    return tuple(_gallery(dataset, [s for s in strips if s["dataset"] == dataset]) for dataset in datasets)


def _gallery(dataset: str, strips: Sequence[Json]) -> Gallery:
    shared_paths = {strip["role"]: strip["path"] for strip in reversed(strips)}
    predictions = {strip["method"]: strip["path"] for strip in strips if strip["role"] == "prediction"}
    rows = [(role, shared_paths[role]) for role in ("image", "truth") if role in shared_paths]
    rows += [(title_of(method), predictions[method]) for method in sorted(predictions, key=method_order)]
    return Gallery(dataset, title_of(dataset), tuple(rows))
