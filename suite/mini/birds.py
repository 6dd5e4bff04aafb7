"""Birds of several species, with the fifteen points of CUB-200-2011."""

from __future__ import annotations

from dataclasses import dataclass

from suite.mini.shapes import Figure, Points, ellipse, limb, moved, polygon

# outlines in units of the head's radius, around its centre
BEAKS: dict[str, Points] = {
    "cone": polygon((0.7, -0.38), (1.8, 0.1), (0.7, 0.5)),
    "hook": polygon((0.6, -0.5), (1.4, -0.4), (1.8, 0.2), (1.55, 0.8), (1.3, 0.25), (0.7, 0.35)),
    "flat": polygon((0.75, -0.1), (1.6, 0.05), (2.2, 0.15), (2.2, 0.5), (0.7, 0.6)),
    "long": polygon((0.75, -0.2), (3.0, 0.15), (0.75, 0.35)),
}
HEAD_POINTS = {"crown": (0, -0.8), "forehead": (0.6, -0.55), "nape": (-0.75, 0), "throat": (0.25, 0.8)}
# outlines in units of the body's half length, from where the tail grows
TAILS: dict[str, Points] = {
    "narrow": polygon((0, -0.16), (-1.15, -0.3), (-1.1, 0.12), (0, 0.25)),
    "short": polygon((0.05, -0.3), (-0.6, -0.6), (-0.3, 0.25)),
    "fan": polygon((0.2, -0.16), (-0.95, -0.6), (-1.1, 0), (-0.9, 0.55), (0.2, 0.2)),
    "forked": polygon((0, -0.15), (-1.3, -0.55), (-0.7, 0.0), (-1.25, 0.35), (0, 0.2)),
    "plume": ellipse(-0.25, -0.2, 0.55, 0.45),
}
# outline and feathers, in units of the body's half length, from the middle of the body
WINGS: dict[str, tuple[Points, ...]] = {
    "folded": (
        ellipse(-0.35, 0.0, 0.62, 0.32, 0.12),
        limb((-0.25, -0.14), (-0.8, -0.16), 0.045, 0.03),
        limb((-0.2, 0.0), (-0.9, -0.03), 0.045, 0.03),
        limb((-0.2, 0.14), (-0.75, 0.1), 0.045, 0.03),
    ),
    "long": (
        polygon((0.5, -0.28), (0.45, 0.2), (-0.5, 0.3), (-1.5, -0.1), (-0.6, -0.3)),
        limb((-0.1, -0.17), (-0.95, -0.17), 0.045, 0.03),
        limb((-0.05, -0.02), (-1.2, -0.08), 0.045, 0.03),
        limb((-0.05, 0.13), (-0.8, 0.08), 0.045, 0.03),
    ),
    "raised": (
        polygon((0.4, -0.2), (0.25, -1.6), (-0.15, -2.1), (-0.6, -1.9), (-1.0, -1.3), (-0.7, -0.1)),
        limb((0.1, -0.6), (0.0, -1.8), 0.07, 0.04),
        limb((-0.15, -0.6), (-0.4, -1.8), 0.07, 0.04),
        limb((-0.4, -0.5), (-0.75, -1.4), 0.07, 0.04),
    ),
}


@dataclass(frozen=True)
class Bird:
    """Proportions of a bird in figure units; `flies` is how often its wings are raised."""

    body: tuple[float, float]
    neck: float
    head: float
    leg: float
    beak: str
    tail: str
    wing: str
    flies: float


SPECIES = {
    "duck": Bird((0.60, 0.30), 0.36, 0.20, 0.18, "flat", "short", "long", 0.3),
    "finch": Bird((0.46, 0.32), 0.10, 0.24, 0.28, "cone", "narrow", "folded", 0.35),
    "eagle": Bird((0.52, 0.28), 0.14, 0.20, 0.22, "hook", "fan", "long", 0.5),
    "ostrich": Bird((0.45, 0.33), 0.75, 0.15, 0.60, "cone", "plume", "folded", 0.0),
    "heron": Bird((0.50, 0.22), 0.60, 0.14, 0.50, "long", "short", "long", 0.3),
    "swallow": Bird((0.50, 0.20), 0.08, 0.19, 0.16, "cone", "forked", "long", 0.6),
    "woodpecker": Bird((0.48, 0.23), 0.18, 0.19, 0.22, "long", "narrow", "folded", 0.3),
    "owl": Bird((0.42, 0.42), 0.12, 0.32, 0.18, "hook", "short", "folded", 0.4),
    "pigeon": Bird((0.55, 0.34), 0.22, 0.17, 0.22, "cone", "fan", "long", 0.4),
    "goose": Bird((0.62, 0.30), 0.58, 0.16, 0.26, "flat", "short", "folded", 0.3),
}


def bird(figure: Figure, form: Bird) -> None:
    """Draw a bird seen from its near side, standing or with its wings raised."""
    length, height = figure.about(form.body[0]), figure.about(form.body[1])
    flying = figure.rng.random() < form.flies
    if flying:
        _wing(figure, "far", "raised", length, 0.25)
    _leg(figure, "far", 0.14, height, form.leg)
    _leg(figure, "near", -0.08, height, form.leg)
    tail = moved(TAILS[form.tail], -length * 0.85, 0, scale=length, turn=figure.off(0.25))
    _mark_middle(figure, "tail", tail, figure.add("tail", tail))
    body = figure.add("body", ellipse(0, 0, length, height))
    figure.mark("back", -length * 0.1, -height * 0.85, body)
    figure.mark("belly", 0, height * 0.8, body)
    figure.mark("breast", length * 0.75, height * 0.25, body)
    _head(figure, form, length, height)
    _wing(figure, "near", "raised" if flying else form.wing, length, 0)
    if not flying:
        figure.mark("far wing", 0, 0)


def _mark_middle(figure: Figure, name: str, outline: Points, *shapes: int) -> None:
    x, y = outline.mean(axis=0)
    figure.mark(name, float(x), float(y), *shapes)


def _wing(figure: Figure, side: str, kind: str, scale: float, turn: float) -> None:
    turn += figure.off(0.18)
    wing, *feathers = (moved(outline, scale=scale, turn=turn) for outline in WINGS[kind])
    shapes = [figure.add("wing", wing, f"{side} wing")]
    shapes += [figure.add("wing", feather, f"{side} wing", paint="feather") for feather in feathers]
    _mark_middle(figure, f"{side} wing", wing, *shapes)


def _leg(figure: Figure, side: str, x: float, height: float, leg: float) -> None:
    top, foot, end = height * 0.7, x + figure.off(0.14), height * 0.75 + figure.about(leg)
    shape = figure.add("leg", limb((x, top), (foot, end), 0.05, 0.04), f"{side} leg")
    toes = polygon((foot - 0.06, end - 0.04), (foot + 0.19, end + 0.03), (foot - 0.06, end + 0.06))
    toe = figure.add("foot", toes, f"{side} foot", paint="leg")
    along = 0.7
    figure.mark(f"{side} leg", x + along * (foot - x), top + along * (end - top), shape, toe)


def _head(figure: Figure, form: Bird, length: float, height: float) -> None:
    rise, radius = figure.about(form.neck, 0.2), figure.about(form.head)
    x, y, turn = length * 0.72 + rise * 0.4, -height * 0.55 - rise, figure.off(0.25)
    thick = min(height * 0.45, radius * 0.8)
    neck = figure.add("body", limb((length * 0.55, -height * 0.3), (x, y), thick, radius * 0.6), "neck")
    head = figure.add("head", ellipse(x, y, radius, radius))
    beak = moved(BEAKS[form.beak], x, y, scale=radius, turn=turn)
    _mark_middle(figure, "beak", beak, figure.add("snout", beak, "beak"))
    for name, position in HEAD_POINTS.items():
        ((px, py),) = moved(polygon(position), x, y, scale=radius, turn=turn)
        figure.mark(name, float(px), float(py), head, neck)
    ((ex, ey),) = moved(polygon((0.28, -0.2)), x, y, scale=radius, turn=turn)
    eye = figure.add("eye", ellipse(ex, ey, radius * 0.28, radius * 0.28), "near eye")
    pupil = figure.add("eye", ellipse(ex, ey, radius * 0.13, radius * 0.13), "near eye", paint="pupil")
    figure.mark("near eye", float(ex), float(ey), eye, pupil)
    figure.mark("far eye", float(ex), float(ey))
