"""Quadrupeds, fish, frog, butterfly and beetle."""

from __future__ import annotations

from dataclasses import dataclass

from suite.mini.shapes import Figure, Points, ellipse, limb, moved, polygon

# outlines in units of the head's radius, around its centre: the far one first
EARS: dict[str, tuple[Points, ...]] = {
    "pointed": (
        polygon((-0.95, -0.5), (-0.7, -1.65), (-0.1, -0.8)),
        polygon((0, -0.8), (0.2, -1.7), (0.7, -0.6)),
    ),
    "floppy": (ellipse(0.1, -0.7, 0.3, 0.4), ellipse(-0.5, 0.15, 0.36, 0.85, 0.25)),
    "long": (ellipse(-0.75, -1.7, 0.27, 1.15, -0.4), ellipse(-0.1, -1.75, 0.27, 1.15, -0.1)),
    "small": (
        polygon((-0.2, -0.7), (0.0, -1.6), (0.35, -0.6)),
        polygon((-0.6, -0.5), (-0.5, -1.5), (0.1, -0.7)),
    ),
    "big": (ellipse(0.1, -0.4, 0.4, 0.7), ellipse(-0.65, 0.1, 0.7, 1.05)),
    "side": (polygon((0.1, -0.8), (0.4, -1.3), (0.5, -0.6)), ellipse(-0.85, -0.35, 0.55, 0.25, 0.4)),
}
HORNS: dict[str, tuple[Points, ...]] = {
    "": (),
    "curved": (
        polygon((0.2, -0.8), (0.5, -1.4), (0.2, -2.0), (0.8, -1.5), (0.6, -0.8)),
        polygon((-0.3, -0.8), (-0.35, -1.5), (-0.8, -2.0), (0.0, -1.6), (0.1, -0.8)),
    ),
    "antlers": (
        polygon((0.2, -0.8), (0.5, -1.7), (0.2, -2.4), (0.7, -1.9), (1.1, -2.3), (0.8, -1.6), (0.45, -0.8)),
        polygon((-0.3, -0.8), (-0.7, -1.6), (-1.3, -2.1), (-0.8, -2.0), (-0.6, -2.7), (-0.3, -1.7), (0, -0.8)),
    ),
}
# outlines from where the tail grows, trailing to the left
TAILS: dict[str, Points] = {
    "thin": polygon((0, -0.04), (-0.25, -0.3), (-0.3, -0.65), (-0.2, -0.65), (-0.15, -0.3), (0.05, 0.08)),
    "up": limb((0, 0), (-0.25, -0.42), 0.08, 0.04),
    "puff": ellipse(-0.04, 0.12, 0.16, 0.14),
    "bushy": polygon((0, -0.06), (-0.2, 0), (-0.34, 0.4), (-0.25, 0.75), (-0.1, 0.5), (-0.05, 0.15), (0.04, 0.1)),
    "tufted": polygon((0, 0), (-0.1, 0.4), (-0.2, 0.55), (-0.1, 0.72), (0, 0.58), (-0.03, 0.4), (0.06, 0.05)),
}
TRUNK = polygon((0.5, -0.4), (1.25, 0.3), (1.35, 1.9), (1.8, 2.3), (1.4, 2.6), (0.9, 2.0), (0.75, 0.9), (0.4, 0.7))


@dataclass(frozen=True)
class Quadruped:
    """Proportions of a four-legged animal; lengths in figure units, snout in head radii."""

    body: tuple[float, float]
    leg: tuple[float, float]
    neck: tuple[float, float]
    head: float
    snout: tuple[float, float]
    ear: str
    tail: str
    horn: str = ""


QUADRUPEDS = {
    "cat": Quadruped((0.52, 0.27), (0.42, 0.075), (0.12, 0.10), 0.24, (0.4, 0.38), "pointed", "thin"),
    "dog": Quadruped((0.55, 0.26), (0.45, 0.08), (0.16, 0.14), 0.22, (0.95, 0.48), "floppy", "up"),
    "rabbit": Quadruped((0.45, 0.34), (0.24, 0.10), (0.10, 0.08), 0.23, (0.4, 0.42), "long", "puff"),
    "horse": Quadruped((0.55, 0.27), (0.62, 0.065), (0.26, 0.42), 0.17, (1.6, 0.6), "small", "bushy"),
    "cow": Quadruped((0.62, 0.35), (0.42, 0.085), (0.18, 0.10), 0.20, (1.0, 0.75), "side", "tufted", "curved"),
    "elephant": Quadruped((0.60, 0.42), (0.40, 0.13), (0.10, 0.05), 0.30, (0, 0), "big", "tufted"),
    "deer": Quadruped((0.46, 0.23), (0.58, 0.05), (0.20, 0.36), 0.16, (1.0, 0.5), "side", "puff", "antlers"),
}


def quadruped(figure: Figure, form: Quadruped) -> None:
    """Draw a four-legged animal seen from its near side."""
    length, height = figure.about(form.body[0]), figure.about(form.body[1])
    x = length * 0.8 + figure.about(form.neck[0]) + figure.off(0.03)
    y = -height * 0.5 - figure.about(form.neck[1], 0.2) + figure.off(0.05)
    _legs(figure, form, length, height)
    figure.add("tail", moved(TAILS[form.tail], -length * 0.92, -height * 0.3, turn=figure.off(0.3)))
    figure.add("body", ellipse(0, 0, length, height))
    radius = figure.about(form.head)
    figure.add("body", limb((length * 0.62, -height * 0.1), (x, y), height * 0.5, radius * 0.55), "neck")
    _head(figure, form, x, y, radius)


def _legs(figure: Figure, form: Quadruped, length: float, height: float) -> None:
    leg, width = figure.about(form.leg[0]), figure.about(form.leg[1])
    places = {"far back": -0.58, "far front": 0.46, "near back": -0.78, "near front": 0.66}
    for name, position in places.items():
        foot = length * position + figure.off(0.18)
        figure.add(
            "leg",
            limb((length * position, height * 0.5), (foot, height * 0.5 + leg), width * 1.2, width * 0.8),
            f"{name} leg",
        )


def _head(figure: Figure, form: Quadruped, x: float, y: float, radius: float) -> None:
    turn = figure.off(0.2)

    def add_part(part: str, outline: Points, label: str = "", *, paint: str = "", extra: float = 0.0) -> int:
        return figure.add(part, moved(outline, x, y, scale=radius, turn=turn + extra), label, paint=paint)

    add_part("ear", EARS[form.ear][0], "far ear", extra=figure.off(0.15))
    if form.horn:
        add_part("horn", HORNS[form.horn][0], "far horn")
    add_part("head", ellipse(0, 0, 1.08, 1.0))
    long, thick = form.snout
    add_part("snout", ellipse(0.75 + long * 0.4, 0.3, 0.35 + long * 0.6, thick, 0.25) if long else TRUNK)
    add_part("ear", EARS[form.ear][1], "near ear", extra=figure.off(0.15))
    if form.horn:
        add_part("horn", HORNS[form.horn][1], "near horn")
    add_part("eye", ellipse(0.3, -0.22, 0.23, 0.23), "near eye")
    add_part("eye", ellipse(0.34, -0.2, 0.11, 0.11), "near eye", paint="pupil")


def fish(figure: Figure) -> None:
    """Draw a deep-bodied fish with a fan tail."""
    length, height = figure.about(0.6, 0.2), figure.about(0.36, 0.2)
    fan = polygon((0.12, -0.06), (-0.35, -0.42), (-0.55, -0.1), (-0.48, 0.2), (-0.3, 0.42), (0.12, 0.08))
    figure.add("tail", moved(fan, -length * 0.85, 0, turn=figure.off(0.2)))
    peak = figure.off(0.1)
    figure.add(
        "fin",
        polygon(
            (length * 0.4, -height * 0.7),
            (length * 0.2 + peak, -height - 0.25),
            (-length * 0.4, -height - 0.12),
            (-length * 0.5, -height * 0.6),
        ),
        "back fin",
    )
    figure.add("body", ellipse(0, 0, length, height))
    figure.add("head", ellipse(length * 0.62, 0, length * 0.36, height * 0.68))
    figure.add("snout", ellipse(length * 0.98, 0.03, 0.1, figure.about(0.11)))
    figure.add(
        "fin",
        polygon((length * 0.2, height * 0.15), (-0.12 + peak, height * 0.4 + 0.28), (-0.08, height * 0.2)),
        "side fin",
    )
    figure.add("eye", ellipse(length * 0.62, -height * 0.22, 0.085, 0.085), "near eye")
    figure.add("eye", ellipse(length * 0.64, -height * 0.2, 0.04, 0.04), "near eye", paint="pupil")


def frog(figure: Figure) -> None:
    """Draw a sitting frog."""
    length, height = figure.about(0.55), figure.about(0.32)
    figure.add("leg", limb((0.3, 0.1), (0.42 + figure.off(0.1), 0.5), 0.08, 0.06), "far front leg")
    figure.add("body", ellipse(0, 0, length, height, -0.35))
    figure.add("head", ellipse(0.5, -0.25, figure.about(0.32), figure.about(0.22)))
    figure.add("snout", ellipse(0.62, -0.16, 0.24, 0.06, 0.1))
    lift = figure.off(0.08)
    figure.add("leg", limb((-0.35, 0.2), (-0.05, 0.02 + lift), 0.17, 0.12), "near back leg")
    figure.add("leg", limb((-0.02, 0.05 + lift), (-0.45, 0.46), 0.1, 0.06), "near back leg")
    figure.add("foot", limb((-0.5, 0.5), (-0.08 + figure.off(0.1), 0.54), 0.05, 0.07), "near back foot")
    figure.add("leg", limb((0.22, 0.12), (0.3 + figure.off(0.12), 0.5), 0.09, 0.06), "near front leg")
    figure.add("eye", ellipse(0.45, -0.45, 0.12, 0.12), "near eye")
    figure.add("eye", ellipse(0.48, -0.45, 0.055, 0.07), "near eye", paint="pupil")


def butterfly(figure: Figure) -> None:
    """Draw a butterfly from above, wings open."""
    upper, lower = figure.about(0.46), figure.about(0.34)
    spread = figure.off(0.15)
    for side, name in ((-1, "near"), (1, "far")):
        figure.add(
            "fin",
            ellipse(side * 0.36, 0.36, lower, lower * 0.8, side * (0.6 + spread)),
            f"{name} lower wing",
            paint="fin",
        )
        figure.add(
            "wing",
            ellipse(side * 0.46, -0.32, upper, upper * 0.75, -side * (0.65 + spread)),
            f"{name} upper wing",
        )
        figure.add("wing", ellipse(side * 0.5, -0.34, 0.15, 0.12, -side * 0.6), f"{name} upper wing", paint="spot")
    figure.add("body", ellipse(0, 0.05, 0.1, figure.about(0.5)))
    for side in (-1, 1):
        figure.add("antenna", limb((0, -0.58), (side * 0.24 + figure.off(0.06), -0.98), 0.03, 0.035))
    figure.add("head", ellipse(0, -0.5, 0.14, 0.14))
    figure.add("eye", ellipse(0.06, -0.53, 0.05, 0.05))


def beetle(figure: Figure) -> None:
    """Draw a beetle from the side, with a shell."""
    length, height = figure.about(0.6), figure.about(0.4)
    for position in (-0.36, 0.0, 0.36):
        knee = position + figure.off(0.12)
        figure.add("leg", limb((position, 0.15), (knee - 0.03, height + 0.28), 0.06, 0.04))
    for position in (0.2, 0.42):
        figure.add("antenna", limb((length + 0.1, -0.1), (length + position + figure.off(0.06), -0.5), 0.03, 0.03))
    figure.add("head", ellipse(length + 0.08, 0.05, figure.about(0.22), figure.about(0.22)))
    figure.add("body", ellipse(0, 0.02, length, height))
    figure.add("wing", ellipse(-0.08, -0.08, length * 0.86, height * 0.8), "near wing")
    figure.add("eye", ellipse(length + 0.14, -0.01, 0.075, 0.075), "near eye")
