"""How heads were trained: loss and accuracies over the steps, values over learning rates; inline SVG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from suite.core.files import Json
from suite.registry import family, method_order, title_of
from suite.report.drawing import plain_style
from suite.report.plot import INK, STYLES, inline

Dashes = str | tuple[float, tuple[float, ...]]
DASHES: tuple[Dashes, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
"""Methods of one family share its colour; these tell them apart."""
BOX = (0.15, 0.15, 0.83, 0.82)
"""Axes in a plot: left, bottom, width, height, with room for labels of five characters."""
Line = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Curves:
    """One small plot: caption, inline SVG, a sentence for those who do not see it, and its dataset, if it has one."""

    caption: str
    svg: str
    alt: str
    dataset: str = ""


def curves(trainings: Sequence[Json], cells: Sequence[Json], rates: Sequence[Json] = ()) -> list[Curves]:
    """Plot losses, accuracies on training batches and on evaluation data, and what learning rates do.

    Args:
        trainings: of a report; those at the stated rate are drawn, those of the sweep as its values alone.
        cells: of the report.
        rates: likewise.
    """
    heads: dict[tuple[str, str, str], dict[str, Json]] = {}
    for training in trainings:
        if training["stated"] and training["experiment"] != "learning_rate_sweep":
            place = (training["experiment"], training["dataset"], training["setting"])
            heads.setdefault(place, {})[training["method"]] = training
    plots = [plot for place, by_method in heads.items() for plot in _of_heads(place, by_method)]
    return plots + sweep(cells) + probe_rates(rates)


def _of_heads(place: tuple[str, str, str], by_method: Mapping[str, Json]) -> Iterator[Curves]:
    """Plot the heads of one kind on one dataset, a line an encoder."""
    _, dataset, setting = place
    title = title_of(dataset) if setting == "linear_head" else f"{title_of(dataset)}, {setting} probe"
    unit = "a labelled pixel" if setting == "linear_head" else "an item"
    metric = title_of(next(iter(by_method.values()))["metric"])
    whats = (
        ("losses", "training loss", f"loss of {unit}"),
        ("auxiliary_losses", "training loss of the auxiliary head", "loss x 0.4"),
        ("accuracies", "accuracy on training batches", "accuracy (%)"),
    )
    for name, what, label in whats:
        lines: dict[str, Line] = {
            m: (t["steps"], _numbers(t[name])) for m, t in by_method.items() if _is_known(t.get(name))
        }
        if lines:
            yield _curves(dataset, f"{title}: {what}", f"{dataset}-{setting}-{name}", lines, ("step", label))
    for name, what, label in (
        ("evaluation_losses", "loss on evaluation data", f"loss of {unit}"),
        ("evaluations", f"{metric} on evaluation data", f"{metric} (%)"),
    ):
        lines = {m: _line(t[name]) for m, t in by_method.items() if len(t.get(name, ())) > 1}
        if lines:
            yield _curves(dataset, f"{title}: {what}", f"{dataset}-{setting}-{name}", lines, ("step", label))


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _is_known(values: Sequence[float | None] | None) -> bool:
    return any(value is not None for value in values or ())


def sweep(cells: Sequence[Json]) -> list[Curves]:
    """Plot mean IoU against the learning rate, where more than one was measured."""
    points_by_method: dict[str, dict[float, float]] = {}
    for cell in cells:
        if cell["experiment"] == "learning_rate_sweep" and cell["metric"] == "miou" and cell["measured"] is not None:
            rate = float(cell["setting"].removeprefix("lr_"))
            points_by_method.setdefault(cell["method"], {})[rate] = cell["measured"]
    lines = {m: _line(sorted(rates.items())) for m, rates in points_by_method.items() if len(rates) > 1}
    if not lines:
        return []
    caption = f"{title_of('lip')}: learning rates"
    return [_curves("lip", caption, "sweep", lines, ("learning rate", "mIoU (%)"), logarithmic=True)]


def probe_rates(rates: Sequence[Json]) -> list[Curves]:
    """Plot each probe's accuracy against its learning rate."""
    lines_by_place: dict[tuple[str, str, str], dict[str, Line]] = {}
    for head in rates:
        place = (head["experiment"], head["dataset"], head["setting"])
        lines_by_place.setdefault(place, {})[head["method"]] = _line(head["points"])
    return [
        _curves(
            dataset,
            f"{title_of(experiment)}, {title_of(dataset)}: {setting} probe by learning rate",
            f"{experiment}-{dataset}-{setting}-rates",
            lines,
            ("learning rate", "accuracy (%)"),
            logarithmic=True,
        )
        for (experiment, dataset, setting), lines in lines_by_place.items()
    ]


def line_styles(methods: Sequence[str]) -> dict[str, tuple[str, Dashes]]:
    """Return (colour, dashes) per method: the family's colour, dashes by place within the family."""
    sorted_methods = sorted(methods, key=method_order)
    places = {m: [o for o in sorted_methods if family(o) == family(m)].index(m) for m in sorted_methods}
    return {m: (STYLES[family(m)][0], DASHES[places[m] % len(DASHES)]) for m in sorted_methods}


def _line(points: Sequence[tuple[float, float]]) -> Line:
    return [x for x, _ in points], [y for _, y in points]


def _curves(
    dataset: str,
    caption: str,
    key: str,
    lines: dict[str, Line],
    axis_labels: tuple[str, str],
    *,
    logarithmic: bool = False,
) -> Curves:
    last_values = "; ".join(f"{title_of(m)} {lines[m][1][-1]:.3g}" for m in sorted(lines, key=method_order))
    x_label, y_label = axis_labels
    alt = f"Line plot, {caption}, {y_label} over {x_label}; last values: {last_values}."
    return Curves(caption, _draw(key, lines, axis_labels, logarithmic=logarithmic), alt, dataset)


@plain_style()
def _draw(key: str, lines: dict[str, Line], axis_labels: tuple[str, str], *, logarithmic: bool) -> str:
    figure = Figure(figsize=(4.4, 3.1))
    FigureCanvasSVG(figure)
    axes = figure.add_axes(BOX)  # a layout that fits itself would draw every plot twice
    for method, (colour, dashes) in line_styles(list(lines)).items():
        axes.plot(*lines[method], color=colour, linestyle=dashes, linewidth=1.5, marker="." if logarithmic else None)
    if logarithmic:
        axes.set_xscale("log")
    style_axes(axes, axis_labels)
    axes.legend(
        [title_of(method) for method in line_styles(list(lines))], fontsize=7, ncols=2, frameon=False, labelcolor=INK
    )
    sink = io.StringIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return inline(sink.getvalue(), f"curve-{key}")


def style_axes(axes: Axes, axis_labels: tuple[str, str]) -> None:
    """Draw in ink that follows the page, with no frame that says nothing."""
    axes.set_xlabel(axis_labels[0], color=INK)
    axes.set_ylabel(axis_labels[1], color=INK)
    axes.tick_params(which="both", colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(INK)
    axes.grid(visible=True, color=INK, alpha=0.12, linewidth=0.8)
