"""A cell over the runs as a small plot: a point per run, and the range of every gate; inline SVG, drawn by hand.

Hundreds of them stand in one page, for which matplotlib's files would be too large by a factor of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import escape

from suite.core.text import number
from suite.report.history import CellTrend, Gate, RunLine

WIDTH, HEIGHT, MARGIN = 300, 64, 9
LEAST = 0.02
"""Points of per cent that the axis spans at least: rounding is not to look like a change."""


@dataclass(frozen=True)
class Sparkline:
    """Inline SVG, and a sentence for those who do not see it."""

    svg: str
    alt: str


def sparkline(cell: CellTrend, runs: Sequence[RunLine]) -> Sparkline:
    """Draw a cell.

    Args:
        cell: with a value per run.
        runs: in the same order; a run that was asked for other than by default has an open point.
    """
    low, high = _range(cell)

    def y(value: float) -> str:
        return f"{HEIGHT - MARGIN - (value - low) / (high - low) * (HEIGHT - 2 * MARGIN):.1f}"

    step = (WIDTH - 2 * MARGIN) / max(1, len(runs) - 1)
    xs = [MARGIN + step * k if len(runs) > 1 else WIDTH / 2 for k in range(len(runs))]
    points = [(x, value, run) for x, value, run in zip(xs, cell.values, runs, strict=True) if value is not None]
    parts = [_gate(gate, y) for gate in cell.gates]
    parts += [
        f'<line class="change" x1="{(a + b) / 2:.1f}" x2="{(a + b) / 2:.1f}" y1="0" y2="{HEIGHT}"/>'
        for (a, _, before), (b, _, after) in pairwise(points)
        if before.environment != after.environment
    ]
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y(value)}" for x, value, _ in points)
        parts.append(f'<polyline class="values" points="{path}"/>')
    parts += [
        f'<circle class="{"open" if run.asked else "point"}" cx="{x:.1f}" cy="{y(value)}" r="3.2">'
        f"<title>{escape(_text(run, value))}</title></circle>"
        for x, value, run in points
    ]
    values = "; ".join(f"run {run.number} {number(value, 2)}" for _, value, run in points)
    gates = "".join(f"; {gate.text}" for gate in cell.gates)
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    return Sparkline(svg, f"{cell.id}, per cent: {values}{gates}.")


def _gate(gate: Gate, y: Callable[[float], str]) -> str:
    """Draw what a gate allows as a band, and the value that it is around as a line."""
    line = f'<line class="{gate.word}" x1="0" x2="{WIDTH}" y1="{y(gate.value)}" y2="{y(gate.value)}"/>'
    if gate.tolerance is None:
        return line
    top, bottom = float(y(gate.value + gate.tolerance)), float(y(gate.value - gate.tolerance))
    top, bottom = max(top, -1.0), min(bottom, HEIGHT + 1.0)
    band = f'<rect class="{gate.word}" x="0" y="{top:.1f}" width="{WIDTH}" height="{max(bottom - top, 0):.1f}"/>'
    return band + line


def _text(run: RunLine, value: float) -> str:
    asked = f", {run.asked}" if run.asked else ""
    return f"run {run.number}, {run.name}, {run.finished}, commit {run.commit}{asked}: {number(value, 4)}"


def _range(cell: CellTrend) -> tuple[float, float]:
    """Return what the axis spans: all values and all gates, but of a wide gate no more than shows where it is."""
    low, high = min(cell.known), max(cell.known)
    reach = max(4 * (high - low), LEAST)
    for gate in cell.gates:
        tolerance = gate.tolerance or 0.0
        low = min(low, max(gate.value - tolerance, min(cell.known) - reach))
        high = max(high, min(gate.value + tolerance, max(cell.known) + reach))
    middle, half = (low + high) / 2, max(high - low, LEAST) / 2
    return middle - half, middle + half
