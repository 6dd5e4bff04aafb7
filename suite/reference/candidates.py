"""Values of a user's encoder that were accepted, `expected/encoders/<name>.toml`: later runs are held against them.

One table per profile; `[mini]` says whose values, and how they were made, `[mini.cells]` what they are:

    [mini]
    method = "my_encoder-build"                 # its name in cells
    spec = "my_encoder:build"
    weights = "..."                             # SHA-256 of its tensors
    command, commit, date, machine, reason
    at_least = true                             # optional: later runs may be better without a limit
    items = "..."                               # with at_least: SHA-256 of the file of items' scores beside this one
    [mini.protocols]                            # SHA-256 of every experiment's hyper-parameters
    part_retrieval = "..."
    [mini.cells."part_retrieval/cub200/my_encoder-build/encoded/ap"]
    values = [34.8]                             # per cent, one per seed
    seeds = []                                  # empty where nothing was trained
    numeric, cap, reason                        # tolerance, as in expected/<profile>
    sd, df                                      # probes only: seed noise in points, its degrees of freedom
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from suite.cells import CellId
from suite.core.schema import Node, read_toml
from suite.errors import ExpectedError
from suite.protocol.tables import PROFILES
from suite.reference.accepted_items import AcceptedItems, items_path
from suite.reference.expected import Expected

FOLDER = "encoders"
"""Their folder, below that of all accepted values."""
FACTS = ("method", "spec", "weights", "command", "commit", "date", "machine")


def load_accepted(profile: str, folder: Path) -> dict[CellId, Expected]:
    """Load every accepted value of a profile; empty where none is.

    Raises:
        ExpectedError: a file breaks the schema, or two files hold one encoder.
    """
    references: dict[CellId, Expected] = {}
    for path in sorted(folder.glob("*.toml")):
        for expected in _read(path, profile):
            if expected.cell in references:
                raise ExpectedError(f"{path}: {expected.cell}: accepted in another file of this folder too: keep one")
            references[expected.cell] = expected
    return references


def _read(path: Path, profile: str) -> Iterator[Expected]:
    top = read_toml(path)
    sections = {name: top.child(name) for name in PROFILES}
    top.end()
    section = sections[profile]
    if not list(section.child("cells").children()):
        return
    section = read_toml(path).child(profile)
    facts = {key: section.take(key, "a text") for key in FACTS}
    section.take("reason", "a text", None)  # older files have none
    side = "lower" if section.take("at_least", "true or false", False) else None
    digest = section.take("items", "a text", None)
    items = AcceptedItems(items_path(path, profile), digest) if digest else None
    section.child("protocols")
    for text, node in section.child("cells").children():
        source = f"accepted: {facts['command']}, commit {facts['commit']}"
        yield _expected(CellId.parse(text), node, source, side, items)
    section.end()


def _expected(cell: CellId, node: Node, source: str, side: str | None, items: AcceptedItems | None) -> Expected:
    values, seeds = node.take("values", "a list of numbers >= 0"), node.take("seeds", "a list of numbers >= 0")
    if len(values) != max(1, len(seeds)) or max(values) > 100:
        raise node.error("values", f"expected {max(1, len(seeds))} values in per cent, got {values}")
    noise: dict[str, Any] = {}
    if seeds:
        noise = {
            "seed_sd": node.take("sd", "a number >= 0"),
            "seed_df": node.take("df", "a whole number >= 0"),
            "seeds": len(seeds),
        }
    expected = Expected(
        cell=cell,
        value=fmean(values),
        unit="percent",
        rounding=0.0,
        table=None,
        source=source,
        deterministic=not seeds,
        numeric=node.take("numeric", "a number >= 0"),
        cap=node.take("cap", "a number >= 0"),
        reason=node.take("reason", "a text"),
        side=side,
        items=items,
        **noise,
    )
    node.end()
    return expected
