"""What a cell rests on, and where the page shows it: protocol, curves, pictures, environment, files of its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from suite.core.files import Json

Place = tuple[str, str]
"""Experiment and dataset."""


def anchor(name: str) -> str:
    """Write a name of any characters as an id, and as the part of a link behind `#`: the same for both."""
    return quote(name, errors="surrogatepass")


@dataclass(frozen=True)
class Link:
    """A word, and the id of the element it leads to."""

    word: str
    target: str


@dataclass(frozen=True)
class ResultFiles:
    """A stored result, `experiment/dataset/method`, its digest, and the number of its environment, if known."""

    name: str
    digest: str
    environment: int | None


class Evidence:
    """Where the evidence of the cells of one report stands in its page."""

    def __init__(self, report: Json) -> None:
        self._experiments = report["protocol"].get("experiments", {})
        self._results = report["results"]
        self._environments = {entry["number"] for entry in report.get("environments") or ()}
        self._drawn = {(t["experiment"], t["dataset"], t["method"]) for t in report["trainings"] if t["stated"]}
        self._rates: set[Place] = {(rate["experiment"], rate["dataset"]) for rate in report.get("rates", ())}
        self._pictures = {f["dataset"] for f in report["figures"] if f["kind"] == "segmentation"}

    def links(self, cell: Mapping[str, Any]) -> Iterator[Link]:
        """Yield what there is of a cell that was measured, in the order in which a doubt asks for it."""
        if cell["measured"] is None:
            return
        experiment, dataset, method = cell["experiment"], cell["dataset"], cell["method"]
        segments = experiment.endswith("_segmentation")
        if experiment in self._experiments:
            yield Link("protocol", f"protocol-{experiment}")
        if (experiment, dataset, method) in self._drawn or (experiment, dataset) in self._rates:
            yield Link("curves", f"curves-{dataset}")
        if segments and dataset in self._pictures:
            yield Link("pictures", f"samples-{dataset}")
        if f"{experiment}/{dataset}/{method}" in self._results:
            yield Link("items", f"result-{experiment}/{dataset}/{method}")
        if cell["environment"] in self._environments:
            yield Link("environment", f"environment-{cell['environment']}")


def result_files(results: Mapping[str, str], environments: Sequence[Json]) -> tuple[ResultFiles, ...]:
    """List stored results by name."""
    numbers = {name: entry["number"] for entry in environments for name in entry["results"]}
    return tuple(ResultFiles(name, digest, numbers.get(name)) for name, digest in results.items())
