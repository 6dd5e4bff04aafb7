"""Trend of a sweep: values over its checkpoints with intervals, a plot by level and one by experiment; inline SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from suite.core.files import Json
from suite.core.text import number
from suite.registry import title_of
from suite.report.candidates import LEVELS
from suite.report.curves import DASHES, Curves, style_axes
from suite.report.drawing import plain_style
from suite.report.plot import INK, STYLES, inline

_MARKS = [(colour, marker) for colour, marker, _ in STYLES.values() if marker not in "*x"]
"""Colour and marker of a line: they tell it apart together."""
_MOST_TICKS = 8
"""Checkpoints that all have a tick of their own."""
Points = Sequence[Json]


def trends(report: Json) -> list[Curves]:
    """Plot the trend of a sweep; nothing for fewer candidates than make one."""
    trend = (report.get("together") or {}).get("trend")
    if not trend:
        return []
    levels = {f"{LEVELS[e['level']]}, mean of {_columns(e['columns'])}": e["points"] for e in trend["levels"]}
    plots = [_trend("Mean value by level", "levels", levels, trend["axis"])] if levels else []
    for experiment in dict.fromkeys(column["experiment"] for column in trend["columns"]):
        lines = {_title(c): c["points"] for c in trend["columns"] if c["experiment"] == experiment}
        plots.append(_trend(title_of(experiment), experiment, lines, trend["axis"]))
    return plots


def _columns(count: int) -> str:
    return f"{count} column{'s' if count > 1 else ''}"


def _title(column: Json) -> str:
    setting = "" if column["setting"] == "linear_head" else f"{title_of(column['setting'])} "
    return f"{title_of(column['dataset'])}, {setting}{title_of(column['metric'])}"


def _trend(caption: str, key: str, lines: Mapping[str, Points], axis: str) -> Curves:
    ends = "; ".join(f"{name} {number(p[0]['value'])} to {number(p[-1]['value'])}" for name, p in lines.items())
    alt = f"Line plot, {caption}, per cent over {axis}, with 95 % intervals; from first to last: {ends}."
    return Curves(f"{caption}, over {axis}", _draw(key, lines, axis), alt)


@plain_style()
def _draw(key: str, lines: Mapping[str, Points], axis: str) -> str:
    figure = Figure(figsize=(4.4, 3.3), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for k, (name, points) in enumerate(lines.items()):
        colour, marker = _MARKS[k % len(_MARKS)]
        axes.errorbar(
            [point["x"] for point in points],
            [point["value"] for point in points],
            yerr=[[_arm(p, "low") for p in points], [_arm(p, "high") for p in points]],
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.5,
            linestyle=DASHES[k // len(_MARKS) % len(DASHES)],
            elinewidth=1,
            capsize=2.5,
            label=name,
        )
    places = sorted({point["x"] for points in lines.values() for point in points})
    if len(places) <= _MOST_TICKS:
        axes.set_xticks(places, [f"{place:g}" for place in places])
    style_axes(axes, (axis, "per cent"))
    figure.legend(loc="outside lower center", fontsize=7, ncols=2, frameon=False, labelcolor=INK)
    sink = io.StringIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return inline(sink.getvalue(), f"trend-{key}")


def _arm(point: Json, side: str) -> float:
    """Return the length of an error bar's arm; none where nothing is known."""
    return 0.0 if point[side] is None else abs(float(point["value"]) - float(point[side]))
