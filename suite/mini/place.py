"""Place of a figure in an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from suite.mini.shapes import Figure, Landmark, Points, moved


@dataclass(frozen=True)
class Frame:
    """Area where a figure may lie, in pixels."""

    left: float
    top: float
    width: float
    height: float


def place(figure: Figure, frame: Frame, extent: tuple[float, float]) -> Figure:
    """Turn, stretch, perhaps flip, scale and shift the figure into a frame.

    Sides, `near` and `far` before, become `left` and `right`.

    Args:
        figure: in its own frame; its `rng` draws the placement too.
        frame: where it must lie.
        extent: least and greatest share of the frame's side that it takes.
    """
    rng = figure.rng
    turn, stretch, flipped = rng.normal(0, 0.12), rng.uniform(0.88, 1.14), bool(rng.random() < 0.5)
    along = np.array([-1.0 if flipped else 1.0, stretch])
    outline = moved(np.concatenate([shape.points for shape in figure.shapes]) * along, turn=turn)
    low, span = outline.min(axis=0), np.ptp(outline, axis=0)
    room = np.array([frame.width, frame.height])
    scale = rng.uniform(*extent) * float((room / span).min())
    x, y = np.array([frame.left, frame.top]) - scale * low + rng.random(2) * (room - scale * span)

    def land(points: Points) -> Points:
        return moved(points * along, x, y, scale=scale, turn=turn)

    def landed(mark: Landmark) -> Landmark:
        ((mx, my),) = land(np.array([[mark.x, mark.y]]))
        return Landmark(float(mx), float(my), mark.on)

    shapes = [replace(s, label=_sided(s.label, flipped), points=land(s.points)) for s in figure.shapes]
    marks = {_sided(name, flipped): landed(mark) for name, mark in figure.landmarks.items()}
    return Figure(rng, shapes, marks)


def _sided(name: str, flipped: bool) -> str:
    # a figure that faces right shows its right side
    near, far = ("left", "right") if flipped else ("right", "left")
    return name.replace("near", near).replace("far", far)
