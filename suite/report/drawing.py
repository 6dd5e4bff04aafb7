"""Plots are drawn in matplotlib's own style, and with the same names inside the SVG each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw without the settings of a user's or a folder's matplotlibrc: TeX, fonts, colours."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = "report"
        yield
