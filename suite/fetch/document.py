"""The catalogues as pages of docs/reference: `python -m suite.fetch.document` writes them anew."""

from __future__ import annotations

from collections.abc import Iterable

from suite.core.files import write_atomically
from suite.core.paths import DOCS
from suite.core.program import run_program
from suite.encoders.catalogue import releases
from suite.fetch.catalogue import entries
from suite.fetch.tables import data_table, places_table, weights_table
from suite.registry import title_of

CHECKPOINTS = DOCS / "reference" / "checkpoints.md"
DATASETS = DOCS / "reference" / "datasets.md"
_COLLECTED = """The addresses, sizes and digests were collected from the releases, their documentation and the
loaders of other projects; a size without "about" is exact. They were written down without asking the servers: an
address that has moved ends in one clear line, and a file that differs is refused. Written by
`python -m suite.fetch.document`."""


def checkpoints() -> str:
    """List every file of weights, what its release says of it, how it is read, and how a person gets it by hand."""
    methods = list(releases().values())
    parts = [
        "# Checkpoints",
        "The paper profile reads them from `weights/`: [how to fetch them](../how-to/fetching.md).",
        _COLLECTED,
        weights_table(methods, "github"),
        "## How each is read",
        "\n".join(f"- {title_of(method.name)} (`{method.name}`): {method.notes}" for method in methods),
    ]
    for method in methods:
        for source in method.sources:
            if source.manual:
                last_step = (
                    f"put it, under this name, into `weights/` and run `python -m suite fetch weights {method.name}`"
                )
                parts += [f"## {method.title} by hand", _numbered((*source.steps, last_step))]
    return _page(parts)


def datasets() -> str:
    """List every file of data, where it lies, and the steps where a person has to get it."""
    sources = list(entries().values())
    parts = [
        "# Datasets",
        "The paper profile reads them from `data/`: [how to fetch them](../how-to/fetching.md), [how to prepare masks\n"
        "from originals](../how-to/preparing.md), [how they are checked](../how-to/data.md).",
        _COLLECTED,
        data_table(sources, "github"),
        "## Where they lie",
        "Any of the folders of a row will do; what is fetched or prepared goes to the first.",
        places_table(sources, "github"),
    ]
    for entry in sources:
        if entry.steps:
            again = f"run `python -m suite fetch data {entry.name}`, which checks that all is there"
            then = (
                [f"run `python -m suite prepare {entry.name}`, unless you took processed masks"] if entry.ready else []
            )
            steps = (step.format(data="data") for step in entry.steps)
            parts += [f"## {entry.title} by hand", _numbered((*steps, again, *then))]
    return _page(parts)


def main() -> None:
    """Write both pages."""
    write_atomically(CHECKPOINTS, checkpoints().encode())
    write_atomically(DATASETS, datasets().encode())


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _numbered(steps: Iterable[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


if __name__ == "__main__":
    run_program(main)
