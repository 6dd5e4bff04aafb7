"""The part of docs/fetching.md that is the catalogue: `python -m suite.fetch.document` writes it again."""

from __future__ import annotations

from collections.abc import Iterable

from suite.core.files import write_atomically
from suite.core.paths import DOCS
from suite.encoders.catalogue import releases
from suite.fetch.catalogue import entries
from suite.fetch.tables import data_table, weights_table

PAGE = DOCS / "fetching.md"
BEGIN = "<!-- from here to the next mark: written by python -m suite.fetch.document -->\n"
END = "<!-- end of what is written -->\n"


def catalogue() -> str:
    """Every file of weights and data, and how a person gets those that no program can download."""
    methods, datasets = list(releases().values()), list(entries().values())
    parts = ["## Weights", weights_table(methods, "github")]
    for method in methods:
        for source in method.sources:
            if source.manual:
                put = f"put it, under this name, into `weights/` and run `python -m suite fetch weights {method.name}`"
                parts += [f"### {method.title} by hand", _numbered((*source.steps, put))]
    parts += ["## Data", data_table(datasets, "github")]
    for entry in datasets:
        if entry.steps:
            again = f"run `python -m suite fetch data {entry.name}`, which checks that all is there"
            then = (
                [f"run `python -m suite prepare {entry.name}`, unless you took processed masks"] if entry.ready else []
            )
            steps = (step.format(data="data") for step in entry.steps)
            parts += [f"### {entry.title} by hand", _numbered((*steps, again, *then))]
    return "\n\n".join(parts) + "\n"


def page(text: str) -> str:
    """The page with its catalogue written anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{catalogue()}\n{END}{rest.partition(END)[2]}"


def _numbered(steps: Iterable[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


if __name__ == "__main__":
    write_atomically(PAGE, page(PAGE.read_text(encoding="utf-8")).encode())
