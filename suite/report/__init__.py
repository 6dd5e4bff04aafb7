"""Verdicts -> report.json, report.html, report.md, JUnit properties, the terminal. Computes no result."""
