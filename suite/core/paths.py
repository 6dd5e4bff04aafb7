"""Paths of the checkout's folders."""

from __future__ import annotations

from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent
"""The package."""
ROOT = SUITE.parent
"""The checkout."""
EXPECTED = ROOT / "expected"
DOCS = ROOT / "docs"
EXPERIMENTS = SUITE / "experiments"
MINI_WEIGHTS = SUITE / "mini" / "weights"
"""The embedded encoders of the mini study."""
