"""Judged cells and claims as a report, or a test, holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from suite.core.files import Json
from suite.judge.cell_verdict import CellVerdict
from suite.judge.claim_noise import Noise
from suite.judge.claims import ClaimVerdict

CELL_FIELDS = (
    *("measured", "expected", "difference", "tolerance", "verdict", "reason", "warning", "values", "seeds"),
    *("seeds_needed", "to_decide"),
)
CLAIM_FIELDS = (
    *("id", "section", "statement", "predicate", "holds_in_paper", "holds_here", "verdict", "detail"),
    "untestable",
)


def cell_entry(cell: CellVerdict) -> Json:
    """Return a judged cell as it stands in `cells`; `plain` has still to see it."""
    words = dataclasses.asdict(cell.id)
    place = {"id": str(cell.id), "table": cell.table, **words, "unit": cell.unit}
    return place | {field: getattr(cell, field) for field in CELL_FIELDS}


def claim_entry(claim: ClaimVerdict, noise: Noise | None = None) -> Json:
    """Return a claim as it stands in `claims`; `plain` has still to see its noise."""
    return {field: getattr(claim, field) for field in CLAIM_FIELDS} | {"noise": noise}


FIELDS = ("measured", "expected", "difference", "tolerance", "verdict", "reason")
Outcome = tuple[str, str]
"""Outcome of a test: `passed`, `failure`, `error` or `skipped`, and why."""


def cell_properties(cells: Sequence[Json]) -> list[tuple[str, str]]:
    """Return the properties of the test that measured these cells.

    Args:
        cells: cells of a report (see docs/reference/report_schema.md).

    Returns:
        `(cell id, measured)` and `(cell id + "#" + field, text)` for what else is known, numbers in full.
    """
    return [
        (cell["id"] if field == "measured" else f"{cell['id']}#{field}", str(value))
        for cell in cells
        for field, value in (*((field, cell.get(field)) for field in FIELDS), *_circumstances(cell))
        if value is not None
    ]


def _circumstances(cell: Json) -> Iterator[tuple[str, object]]:
    """Yield what else is known of a cell in a judged run: where it was made, if elsewhere, and the second gate."""
    yield "environment", other_environment(cell)
    gate_answer = cell.get("accepted")
    yield "accepted", gate_answer and f"{gate_answer['verdict']}: {gate_answer['reason']}"


def claim_outcome(claim: Json, *, gate: bool) -> Outcome:
    """Pass a claim that is as in the paper; one that differs fails only where claims are a gate.

    Args:
        claim: a claim of a report.
        gate: whether a claim may fail a run.
    """
    word = agreement(claim)
    if word == "as in the paper":
        return "passed", ""
    answer_here = "holds" if claim["holds_here"] else "does not hold"
    noise = claim.get("noise") or {"sentence": ""}
    detail = " ".join(text for text in (claim["statement"], claim["detail"], noise["sentence"]) if text)
    if word == "differs from the paper":
        paper_answer = "holds" if claim["holds_in_paper"] else "does not hold"
        return "failure" if gate else "skipped", f"{word}: {paper_answer} there, {answer_here} here: {detail}"
    return "skipped", f"{word}: {claim['untestable'] or detail}"


def other_environment(cell: Mapping[str, Any]) -> int | None:
    """Return the number of the environment a cell was made in, where that is not the run's own."""
    number = cell.get("environment")
    return None if number in {None, 1} else int(number)


def agreement(claim: Json) -> str:
    """Compare a claim here with the paper's own tables: one of `AGREEMENT`."""
    if claim["holds_here"] is None:
        return "not run"
    if claim.get("untestable"):
        return "not testable here"
    if claim["holds_in_paper"] is None:
        return "paper unknown"
    return "as in the paper" if claim["holds_here"] == claim["holds_in_paper"] else "differs from the paper"
