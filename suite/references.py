"""Which expected values a run may be held against."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from suite.cells import CellId
from suite.expected import Expected, load_expected
from suite.protocol import deviations, load_variants

EXPECTED = Path(__file__).parent.parent / "expected"


def references(profile: str, variants: Mapping[str, str], limit: int | None) -> dict[CellId, Expected]:
    """The expected values that a run can be held against.

    A limited run sees other data. The recorded values of the mini study are of the default variants; the paper
    does not say which variants its own are of, so those stand for every choice.
    """
    if limit is not None:
        return {}
    changed = [load_variants()[name] for name in deviations(variants)] if profile == "mini" else []
    expected = _load(profile)
    return {c: e for c, e in expected.items() if not any(v.applies(c.experiment, c.method) for v in changed)}


@functools.cache
def _load(profile: str) -> dict[CellId, Expected]:
    """Read once a process: every trial asks."""
    return load_expected(profile, EXPECTED)
