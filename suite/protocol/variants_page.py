"""Writer of docs/reference/variants.md from `variants.toml`: `python -m suite.protocol.variants_page`."""

from __future__ import annotations

from collections.abc import Iterable

from suite.core.files import write_atomically
from suite.core.paths import DOCS
from suite.core.program import run_program
from suite.protocol.tables import PROFILES
from suite.protocol.variants import Variant, load_variants
from suite.registry import title_of

PAGE = DOCS / "reference" / "variants.md"


def page() -> str:
    """Write every variant with its choices, what it decides and what it concerns."""
    sections = "\n".join(_section(variant) for variant in load_variants().values())
    return f"""# Variants

Where the paper and its official code disagree or are silent, the choice has a name and a default, which is the first.
It changes a value, never the code's path. `make reproduce VARIANT=keypoint-box=full` makes another choice; several are
separated by commas. The report's protocol section lists all choices of a run. Written by
`python -m suite.protocol.variants_page` from `suite/protocol/variants.toml`.

{sections}"""


def _section(variant: Variant) -> str:
    lines = [f"Decides: {variant.about}.", f"Experiments: {_titles(variant.experiments)}."]
    if variant.datasets:
        lines.append(f"Datasets: {_titles(variant.datasets)}.")
    if variant.methods:
        note = " It picks the file, so an encoder whose file is named is left as it is." if variant.picks_file else ""
        lines.append(f"Encoders: {_titles(variant.methods)}.{note}")
    if variant.profiles != PROFILES:
        lines.append(f"Profiles: {', '.join(variant.profiles)}.")
    facts = "\n".join(f"- {line}" for line in lines)
    return f"## `{variant.name}={'|'.join(variant.choices)}`\n\n{facts}\n"


def _titles(words: Iterable[str]) -> str:
    return ", ".join(title_of(word) for word in words)


if __name__ == "__main__":
    run_program(lambda: write_atomically(PAGE, page().encode()))
