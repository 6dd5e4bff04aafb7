"""Paths of the checkout's folders."""

from __future__ import annotations

from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent
"""The package."""
ROOT = SUITE.parent
"""The checkout."""
EXPECTED = ROOT / "expected"
NO_CHECKOUT = (
    "no folder of expected values: the suite needs the whole repository, not its package alone: clone it, make setup"
)
DOCS = ROOT / "docs"
EXPERIMENTS = SUITE / "experiments"
MINI_WEIGHTS = SUITE / "mini" / "weights"
"""The embedded encoders of the mini study."""


def from_checkout(path: Path) -> Path:
    """Return a path that is relative to the checkout; left so where that is the working directory, for the records."""
    return path if Path.cwd() == ROOT else ROOT / path
