"""Verdicts -> report.json, report.html, report.md, JUnit properties, the terminal. Computes no result."""

import os

# the backend of the caller's notebook or desktop: plots are SVG, and an unknown one ends the import of matplotlib
os.environ.pop("MPLBACKEND", None)
