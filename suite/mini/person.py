"""A person with the seventeen key points of COCO, seen from the front, the back or the side."""

from __future__ import annotations

import math

from suite.mini.shapes import Figure, Points, ellipse, limb, moved, polygon

# where the near and the far side are, left to right: a person who faces us has the right side, near before a
# flip, on the left of the image
SIDES = {"front": (-1.0, 1.0), "back": (1.0, -1.0), "side": (-0.25, 0.25)}
SHARES = (0.5, 0.15, 0.35)
"""Shares in which the views of `SIDES` are drawn."""

_HEAD_Y, _SHOULDER_Y, _HIP_Y = -0.82, -0.52, 0.02


def person(figure: Figure, view: str = "") -> None:
    """Draw a standing or walking person; `view` (front, back or side) is drawn at random unless given."""
    view = view or list(SIDES)[int(figure.rng.choice(3, p=SHARES))]
    near, far = SIDES[view]
    _leg(figure, "far", far, view)
    _leg(figure, "near", near, view)
    if view == "front":
        _torso(figure, view)
        _arm(figure, "far", far, view)
    else:
        _arm(figure, "far", far, view)
        _torso(figure, view)
    head = _Head(figure)
    {"front": _face, "back": _back_of_head, "side": _profile}[view](head)
    _arm(figure, "near", near, view)


def _torso(figure: Figure, view: str) -> None:
    shoulder, hip = (0.13, 0.12) if view == "side" else (figure.about(0.23), figure.about(0.15))
    top, bottom = _SHOULDER_Y - 0.05, _HIP_Y + 0.08
    figure.add("head", limb((0, -0.7), (0, _SHOULDER_Y), 0.07, 0.08), "neck")
    figure.add("body", polygon((-shoulder, top), (shoulder, top), (hip, bottom), (-hip, bottom)))


def _leg(figure: Figure, side: str, offset: float, view: str) -> None:
    if view == "side":
        upper = figure.off(0.55)
        lower, toe = upper - figure.rng.uniform(0, 0.6), 0.2
    else:
        upper = math.copysign(figure.rng.uniform(0, 0.35), offset)
        lower, toe = upper / 2 + figure.off(0.15), offset * 0.08
    hip = (offset * 0.1, _HIP_Y)
    knee = _hanging(hip, 0.44, upper)
    ankle = _hanging(knee, 0.42, lower)
    shin = figure.add("leg", limb(knee, ankle, 0.075, 0.055), f"{side} lower leg")
    thigh = figure.add("thigh", limb(hip, knee, 0.11, 0.08), f"{side} upper leg")
    foot = figure.add("foot", limb(ankle, (ankle[0] + toe, ankle[1] + 0.06), 0.06, 0.05), f"{side} foot")
    figure.mark(f"{side} hip", *hip, thigh)
    figure.mark(f"{side} knee", *knee, thigh, shin)
    figure.mark(f"{side} ankle", *ankle, shin, foot)


def _arm(figure: Figure, side: str, offset: float, view: str) -> None:
    if view == "side":
        x, outwards = offset * 0.1, 1.0
        upper = figure.rng.uniform(-0.6, 1.3)
        lower = upper + figure.rng.uniform(0, 1.2)
    else:
        x, outwards = offset * 0.22, offset
        upper = figure.rng.uniform(0.1, 1.7)
        lower = upper + figure.rng.uniform(-0.6, 0.9)
    shoulder = (x, _SHOULDER_Y)
    elbow = _hanging(shoulder, 0.3, outwards * upper)
    wrist = _hanging(elbow, 0.27, outwards * lower)
    tip = _hanging(wrist, 0.07, outwards * lower)
    upper_arm = figure.add("arm", limb(shoulder, elbow, 0.075, 0.06), f"{side} upper arm")
    lower_arm = figure.add("arm", limb(elbow, wrist, 0.06, 0.045), f"{side} lower arm")
    hand = figure.add("hand", ellipse(*tip, 0.07, 0.07), f"{side} hand")
    figure.mark(f"{side} shoulder", *shoulder, upper_arm)
    figure.mark(f"{side} elbow", *elbow, upper_arm, lower_arm)
    figure.mark(f"{side} wrist", *wrist, lower_arm, hand)


def _hanging(start: tuple[float, float], length: float, angle: float) -> tuple[float, float]:
    """Return the end of a limb that hangs from `start`, `angle` radians away from straight down."""
    return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)


class _Head:
    """Painter and marker in units of the head's radius, around its centre."""

    def __init__(self, figure: Figure) -> None:
        self.figure, self.radius = figure, figure.about(0.17)

    def add_part(self, part: str, outline: Points, label: str = "", *, paint: str = "") -> int:
        return self.figure.add(part, moved(outline, 0, _HEAD_Y, scale=self.radius), label, paint=paint)

    def mark(self, name: str, x: float, y: float, *on: int) -> None:
        self.figure.mark(name, self.radius * x, _HEAD_Y + self.radius * y, *on)

    def ear(self, side: str, x: float, mark_x: float) -> None:
        self.mark(f"{side} ear", mark_x, 0, self.add_part("ear", ellipse(x, 0, 0.27, 0.36), f"{side} ear"))

    def eye(self, side: str, x: float) -> None:
        white = self.add_part("eye", ellipse(x, -0.1, 0.2, 0.16), f"{side} eye")
        pupil = self.add_part("eye", ellipse(x, -0.1, 0.09, 0.1), f"{side} eye", paint="pupil")
        self.mark(f"{side} eye", x, -0.1, white, pupil)

    def nose_and_mouth(self, x: float, mouth: float) -> None:
        self.mark("nose", x, 0.22, self.add_part("snout", ellipse(x, 0.22, 0.18, 0.2), "nose"))
        self.add_part("mouth", ellipse(mouth, 0.68, 0.32, 0.1))


def _face(head: _Head) -> None:
    head.ear("near", -1.0, -1.15)
    head.ear("far", 1.0, 1.15)
    head.add_part("head", ellipse(0, 0, 1, 1.15))
    head.add_part("hair", ellipse(0, -0.75, 1.08, 0.5))
    turned = head.figure.off(0.2)
    head.eye("near", turned - 0.42)
    head.eye("far", turned + 0.42)
    head.nose_and_mouth(turned, turned)


def _profile(head: _Head) -> None:
    head.add_part("head", ellipse(0, 0, 1, 1.15))
    head.add_part("hair", ellipse(-0.1, -0.3, 1.08, 0.95))
    head.add_part("head", ellipse(0.4, 0.25, 0.72, 0.8))
    head.ear("near", -0.1, -0.1)
    head.mark("far ear", -0.1, 0)
    head.eye("near", 0.6)
    head.mark("far eye", 0.8, -0.1)
    head.nose_and_mouth(1.05, 0.8)


def _back_of_head(head: _Head) -> None:
    head.ear("near", 1.0, 1.15)
    head.ear("far", -1.0, -1.15)
    head.add_part("head", ellipse(0, 0, 1, 1.15))
    head.add_part("hair", ellipse(0, -0.3, 1.08, 1.2))
    for name in ("near eye", "far eye", "nose"):
        head.mark(name, 0, 0)
