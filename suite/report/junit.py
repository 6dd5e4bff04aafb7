"""Cells as properties of a JUnit test case."""

from __future__ import annotations

from collections.abc import Sequence

from suite.report.labels import Json

FIELDS = ("measured", "expected", "difference", "tolerance", "verdict", "reason")


def cell_properties(cells: Sequence[Json]) -> list[tuple[str, str]]:
    """Properties of the test that measured these cells.

    Args:
        cells: cells of a report (see docs/report_schema.md).

    Returns:
        `(cell id, measured)` and `(cell id + "#" + field, text)` for what else is known, numbers in full.
    """
    return [
        (cell["id"] if field == "measured" else f"{cell['id']}#{field}", str(cell[field]))
        for cell in cells
        for field in FIELDS
        if cell.get(field) is not None
    ]
