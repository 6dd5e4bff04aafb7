"""Tests that are switched on by a variable of the environment, read as make reads its switches."""

from __future__ import annotations

import os

ON = {"1", "yes", "true", "on"}
OFF = {"", "0", "no", "false", "off"}


def is_on(name: str) -> bool:
    """Whether it is; `PAPER_SCALE=0` is off, and a word that is neither is an error."""
    word = os.environ.get(name, "").strip().lower()
    if word not in ON | OFF:
        raise ValueError(f"{name}={word}: expected 1 or 0 (yes, true, on, no, false and off are understood)")
    return word in ON
