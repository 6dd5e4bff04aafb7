"""Mean rank at object level against part level, a line per encoder: inline SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from suite.core.files import Json
from suite.registry import family, title_of
from suite.report.drawing import plain_style
from suite.report.plot import INK, STYLES, Plot, inline

_GAP = 0.42
"""Least distance between two names, in ranks."""


def ranks(candidate: Json, number: int) -> Plot | None:
    """Draw for the `number`th candidate; None where a level has no column of all seven."""
    means: Mapping[str, Mapping[str, float]] = candidate["mean_ranks"]
    lines = {method: (levels["object"], levels["part"]) for method, levels in means.items() if len(levels) == 2}
    if candidate["method"] not in lines:
        return None
    values = "; ".join(f"{title_of(method)} {low:.1f}, {high:.1f}" for method, (low, high) in lines.items())
    alt = f"Mean rank of eight encoders at object level and at part level, 1 is best: {values}."
    families = tuple(f for f in STYLES if f in {family(method) for method in lines})
    return Plot(_draw(lines, candidate["method"], f"ranks{number}"), alt, families)


@plain_style()
def _draw(lines: Mapping[str, tuple[float, float]], candidate: str, key: str) -> str:
    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    canvas = FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for method, levels in lines.items():
        colour, marker, _ = STYLES[family(method)]
        is_candidate = method == candidate
        axes.plot(
            (0, 1),
            levels,
            color=colour,
            marker=marker,
            linewidth=3 if is_candidate else 1.2,
            markersize=9 if is_candidate else 6,
        )
    for side, align, x in ((0, "right", -0.05), (1, "left", 1.05)):
        places = _spaced([levels[side] for levels in lines.values()])
        for method, y in zip(lines, places, strict=True):
            text = title_of(method) if len(title_of(method)) <= 16 else title_of(method)[:15] + "…"
            weight = "bold" if method == candidate else "normal"
            axes.text(x, y, text, ha=align, va="center", fontsize=9, color=INK, fontweight=weight, parse_math=False)
    axes.set_xlim(-0.75, 1.75)
    axes.set_ylim(8.4, 0.6)
    axes.set_xticks((0, 1), ("object level", "part level"), color=INK)
    axes.set_yticks(range(1, 9))
    axes.set_ylabel("mean rank of eight (1 is best)", color=INK)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(INK)
    canvas.draw()
    sink = io.StringIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return inline(sink.getvalue(), key)


def _spaced(places: Sequence[float]) -> list[float]:
    """Move the places apart, in their order, so that names do not cover each other."""
    order = sorted(range(len(places)), key=places.__getitem__)
    positions = list(places)
    for upper, lower in pairwise(order):
        positions[lower] = max(positions[lower], positions[upper] + _GAP)
    limit = 8.2
    for lower in reversed(order):  # back inside, where the last were pushed out
        positions[lower] = min(positions[lower], limit)
        limit = positions[lower] - _GAP
    return positions
