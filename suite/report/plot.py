"""Object level against part level, a point per encoder: inline SVG that follows the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from suite.core.files import Json
from suite.registry import family, method_order, title_of
from suite.report.drawing import plain_style

# colour, marker, the marker in text: mid-tones that read on white and on near-black; shape repeats what colour says
STYLES = {
    "supervised": ("#c2571a", "s", "■"),
    "contrastive": ("#2f7fd1", "o", "●"),
    "MIM": ("#2a9461", "^", "▲"),
    "contrastive + MIM": ("#9a5bd0", "D", "◆"),
    "under test": ("#d0366f", "*", "★"),
    "baseline": ("#858b94", "x", "✕"),
}
INK = "#010203"
"""Ink that stands for the page's text colour until `inline` replaces it."""


@dataclass(frozen=True)
class Panel:
    """One scatter plot: where x and y are found, as `experiment/dataset/setting/metric`, best choice first."""

    key: str
    x: tuple[str, ...]
    y: tuple[str, ...]


PANELS = (
    Panel(
        "linear",
        x=("image_classification/imagenet1k/linear/top1", "object_retrieval/cifar10/encoded/ap"),
        y=("part_retrieval/cub200/encoded/ap", "part_retrieval/coco/encoded/ap"),
    ),
    Panel(
        "attentive",
        x=("image_classification/imagenet1k/attentive/top1",),
        y=("part_classification/cub200/attentive/accuracy", "part_classification/coco/attentive/accuracy"),
    ),
    # the paper's Figure 6
    Panel(
        "ade20k",
        x=("object_segmentation/ade20k_object/linear_head/miou",),
        y=("part_segmentation/ade20k_part/linear_head/miou",),
    ),
    Panel(
        "pascal",
        x=("object_segmentation/pascal_object/linear_head/miou",),
        y=("part_segmentation/pascal_part/linear_head/miou",),
    ),
)


@dataclass(frozen=True)
class Plot:
    """A drawn panel: inline SVG, a sentence for those who do not see it, and the families in it."""

    svg: str
    alt: str
    families: tuple[str, ...]


def plots(cells: Sequence[Json]) -> list[Plot]:
    """Draw every panel for which at least two encoders have both values."""
    panel_plots = (_plot(panel, cells) for panel in PANELS)
    return [plot for plot in panel_plots if plot is not None]


def _plot(panel: Panel, cells: Sequence[Json]) -> Plot | None:
    (x_name, x), (y_name, y) = _first_values(panel.x, cells), _first_values(panel.y, cells)
    methods = sorted(x.keys() & y.keys(), key=method_order)
    if len(methods) < 2:
        return None
    points = {method: (x[method], y[method]) for method in methods}
    values = "; ".join(f"{title_of(m)} {a:.1f}, {b:.1f}" for m, (a, b) in points.items())
    alt = f"Scatter plot, {_title(x_name)} against {_title(y_name)}: {values}.".replace("\n", " ")
    families = tuple(f for f in STYLES if f in {family(method) for method in methods})
    return Plot(_draw(panel.key, points, _title(x_name), _title(y_name)), alt, families)


def _first_values(places: Sequence[str], cells: Sequence[Json]) -> tuple[str, dict[str, float]]:
    """Return the first place with a measured value, and its values by method."""
    values: dict[str, float] = {}
    for place in places:
        values = {
            cell["method"]: cell["measured"]
            for cell in cells
            if cell["measured"] is not None
            and "/".join(cell[k] for k in ("experiment", "dataset", "setting", "metric")) == place
        }
        if values:
            return place, values
    return places[0], values


def _title(place: str) -> str:
    experiment, dataset, setting, metric = place.split("/")
    return f"{title_of(experiment)}, {title_of(dataset)}:\n{title_of(setting)} {title_of(metric)} (%)"


@plain_style()
def _draw(key: str, points: Mapping[str, tuple[float, float]], x_label: str, y_label: str) -> str:
    figure = Figure(figsize=(5.4, 4.5), layout="constrained")
    canvas = FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for method, (x, y) in points.items():
        colour, marker, _ = STYLES[family(method)]
        axes.scatter([x], [y], s=70, c=colour, marker=marker, linewidths=1.8 if marker == "x" else 0.6, zorder=3)
    axes.margins(0.16)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(INK)
    axes.grid(visible=True, color=INK, alpha=0.12, linewidth=0.8)
    canvas.draw()
    _annotate(figure, axes, points)
    sink = io.StringIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return inline(sink.getvalue(), key)


def _annotate(figure: Figure, axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Put each name beside its point, at the first of 16 places that hides nothing (else the best of them)."""
    pixels = axes.transData.transform(list(points.values()))
    scale = figure.dpi / 72
    occupied_boxes = [np.array([x - 6, y - 6, x + 6, y + 6]) for x, y in pixels]
    left, bottom, right, top = axes.bbox.extents
    for (method, point), (x, y) in zip(points.items(), pixels, strict=True):
        label_width, label_height = 5.4 * scale * len(title_of(method)) + 2, 10 * scale
        places = _places(label_width, label_height)
        boxes = [np.array([x + dx, y + dy, x + dx + label_width, y + dy + label_height]) for dx, dy in places]
        overflows = [max(left - b[0], b[2] - right, bottom - b[1], b[3] - top, 0) * label_height for b in boxes]
        costs = [
            sum(_overlap(box, obstacle) for obstacle in occupied_boxes) + overflow
            for box, overflow in zip(boxes, overflows, strict=True)
        ]
        best_index = int(np.argmin(costs))
        occupied_boxes.append(boxes[best_index])
        dx, dy = places[best_index]
        axes.annotate(
            title_of(method),
            point,
            xytext=(dx / scale, dy / scale),
            textcoords="offset points",
            fontsize=9,
            va="bottom",
            color=INK,
            parse_math=False,
        )


def _places(label_width: float, label_height: float) -> list[tuple[float, float]]:
    """List lower left corners of a label around its point, nearest and most readable first (pixels)."""
    corners = []
    for gap in (8.0, 20.0):
        corners += [
            (gap, -label_height / 2),
            (-label_width - gap, -label_height / 2),
            (-label_width / 2, gap),
            (-label_width / 2, -label_height - gap),
        ]
        corners += [
            (gap, gap),
            (-label_width - gap, gap),
            (gap, -label_height - gap),
            (-label_width - gap, -label_height - gap),
        ]
    return corners


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area shared by two boxes (left, bottom, right, top)."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(size, 0)))


def inline(svg: str, key: str) -> str:
    """Fit matplotlib's file into a page: its own ids, the page's colour, no prolog, metadata or comment."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->| xmlns(:\w+)?=\"[^\"]*\"", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{key}-", svg).replace(INK, "currentColor")
    return re.sub(r'^<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1">', svg)
