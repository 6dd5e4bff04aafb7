"""Outlines, and figures made of them.

A figure is a creature or a vehicle in its own frame: x to the right, y down, facing right, about two units long.
Its shapes are painted in order, so that later ones hide earlier ones. Sides are called `near` and `far`: which of
them is left and which is right is known only when the figure is placed, since it may be flipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]

# math, not numpy: vectorised sines differ in the last bit between processors, and drawings must not
_ANGLES = [2 * math.pi * i / 20 for i in range(20)]
_CIRCLE: Points = np.array([(math.cos(a), math.sin(a)) for a in _ANGLES])


def polygon(*corners: tuple[float, float]) -> Points:
    """Return the corners (n, 2) of a closed outline."""
    return np.array(corners, np.float64)


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Points:
    """Return an ellipse around (x, y) with radii `rx` and `ry`, turned by `turn` radians: (20, 2)."""
    return moved(_CIRCLE * (rx, ry), x, y, turn=turn)


def limb(start: tuple[float, float], end: tuple[float, float], r0: float, r1: float) -> Points:
    """Return a bar with round ends of radius `r0` and `r1` around the points `start` and `end`: (22, 2)."""
    turn = math.atan2(end[1] - start[1], end[0] - start[0])
    front = moved(np.concatenate([_CIRCLE[15:], _CIRCLE[:6]]) * r1, *end, turn=turn)
    back = moved(_CIRCLE[5:16] * r0, *start, turn=turn)
    return np.concatenate([front, back])


def moved(points: Points, x: float = 0.0, y: float = 0.0, *, scale: float = 1.0, turn: float = 0.0) -> Points:
    """Return the points (n, 2) scaled and turned (radians, clockwise on the screen) around the origin, then shifted."""
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    px, py = points[:, 0], points[:, 1]
    return np.stack([x + c * px - s * py, y + s * px + c * py], axis=1)


@dataclass(frozen=True)
class Shape:
    """One painted outline.

    Attributes:
        part: its part type; one colour a part type unless `paint` names another.
        label: its finer name, e.g. `near front leg`; what part masks are made from.
        points: (n, 2) outline in the figure's frame.
        paint: the key of its colour.
        shade: factor on the colour, below 1 for limbs on the far side.
    """

    part: str
    label: str
    points: Points
    paint: str
    shade: float


@dataclass(frozen=True)
class Landmark:
    """A named point; visible where one of the shapes numbered `on` is what is seen there."""

    x: float
    y: float
    on: tuple[int, ...]


@dataclass
class Figure:
    """Shapes in painting order and landmarks, drawn with the randomness of `rng`."""

    rng: np.random.Generator
    shapes: list[Shape] = field(default_factory=list)
    landmarks: dict[str, Landmark] = field(default_factory=dict)

    def add(self, part: str, points: Points, label: str = "", *, paint: str = "") -> int:
        """Paint an outline over what is there; returns its number."""
        shade = 0.8 if label.startswith("far") else 1.0
        self.shapes.append(Shape(part, label or part, points, paint or part, shade))
        return len(self.shapes) - 1

    def mark(self, name: str, x: float, y: float, *on: int) -> None:
        """Name a point that lies on the shapes numbered `on`; on none, it is never visible."""
        self.landmarks[name] = Landmark(x, y, on)

    def about(self, value: float, spread: float = 0.12) -> float:
        """Return the value, up to `spread` times larger or smaller."""
        return value * (1 + self.rng.uniform(-spread, spread))

    def off(self, spread: float) -> float:
        """Return a shift of at most `spread` either way."""
        return float(self.rng.uniform(-spread, spread))
