"""A published value to judge against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from suite.cells import CellId
from suite.reference.expected import Expected


def published(cell: CellId, **changes: Any) -> Expected:
    """Return 50 per cent, printed to one decimal, of a trained probe without known noise; or with other facts."""
    reference = Expected(
        cell=cell,
        value=50.0,
        unit="percent",
        rounding=0.1,
        table="Table 9",
        source="a paper",
        deterministic=False,
        numeric=0.0,
        cap=0.3,
        reason="test",
    )
    return replace(reference, **changes)
