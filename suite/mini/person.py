"""A person with the seventeen key points of COCO, seen from the front, the back or the side."""

from __future__ import annotations

import math

from suite.mini.shapes import Figure, ellipse, limb, polygon

VIEWS = ("front", "back", "side")
_SHOULDER, _HIP = -0.52, 0.02


def person(figure: Figure, view: str = "") -> None:
    """A standing or walking person; the view is drawn at random unless given."""
    view = view or VIEWS[int(figure.rng.choice(3, p=(0.5, 0.15, 0.35)))]
    # seen from the front, the right side (near, before a flip) is on the left of the image
    sides = {"front": (-1, 1), "back": (1, -1), "side": (-0.25, 0.25)}[view]
    near, far = sides
    figure.rng.random()
    _leg(figure, "far", far, view)
    _leg(figure, "near", near, view)
    if view != "front":
        _arm(figure, "far", far, view)
    _torso(figure, view)
    if view == "front":
        _arm(figure, "far", far, view)
    _head(figure, view, near)
    _arm(figure, "near", near, view)


def _torso(figure: Figure, view: str) -> None:
    shoulder, hip = (0.13, 0.12) if view == "side" else (figure.about(0.23), figure.about(0.15))
    figure.add("head", limb(0, -0.7, 0, _SHOULDER, 0.07, 0.08), "neck")
    outline = polygon(
        (-shoulder, _SHOULDER - 0.05), (shoulder, _SHOULDER - 0.05), (hip, _HIP + 0.08), (-hip, _HIP + 0.08)
    )
    figure.add("body", outline)


def _leg(figure: Figure, side: str, where: float, view: str) -> None:
    x = where * 0.1
    spread = figure.off(0.55) if view == "side" else math.copysign(figure.rng.uniform(0, 0.35), where)
    bend = figure.rng.uniform(0, 0.6) if view == "side" else figure.off(0.15)
    knee = (x + 0.44 * math.sin(spread), _HIP + 0.44 * math.cos(spread))
    lower = spread - bend if view == "side" else spread * 0.5 + bend
    ankle = (knee[0] + 0.42 * math.sin(lower), knee[1] + 0.42 * math.cos(lower))
    shin = figure.add("leg", limb(*knee, *ankle, 0.075, 0.055), f"{side} lower leg")
    thigh = figure.add("thigh", limb(x, _HIP + 0.02, *knee, 0.11, 0.08), f"{side} upper leg")
    forward = 0.2 if view == "side" else where * 0.08
    foot = figure.add("foot", limb(*ankle, ankle[0] + forward, ankle[1] + 0.06, 0.06, 0.05), f"{side} foot")
    figure.mark(f"{side} hip", x, _HIP, thigh)
    figure.mark(f"{side} knee", *knee, thigh, shin)
    figure.mark(f"{side} ankle", *ankle, shin, foot)


def _arm(figure: Figure, side: str, where: float, view: str) -> None:
    x = where * (0.22 if view != "side" else 0.1)
    sign = 1.0 if view == "side" else math.copysign(1.0, where)
    lift = figure.rng.uniform(-0.6, 1.3) if view == "side" else figure.rng.uniform(0.1, 1.7)
    elbow = (x + sign * 0.3 * math.sin(lift), _SHOULDER + 0.3 * math.cos(lift))
    fore = lift + (figure.rng.uniform(0, 1.2) if view == "side" else figure.rng.uniform(-0.6, 0.9))
    wrist = (elbow[0] + sign * 0.27 * math.sin(fore), elbow[1] + 0.27 * math.cos(fore))
    upper = figure.add("arm", limb(x, _SHOULDER, *elbow, 0.075, 0.06), f"{side} upper arm")
    lower = figure.add("arm", limb(*elbow, *wrist, 0.06, 0.045), f"{side} lower arm")
    tip = (wrist[0] + sign * 0.07 * math.sin(fore), wrist[1] + 0.07 * math.cos(fore))
    hand = figure.add("hand", ellipse(*tip, 0.075, 0.06, fore), f"{side} hand")
    figure.mark(f"{side} shoulder", x, _SHOULDER, upper)
    figure.mark(f"{side} elbow", *elbow, upper, lower)
    figure.mark(f"{side} wrist", *wrist, lower, hand)


def _head(figure: Figure, view: str, near: float) -> None:
    y, r = -0.82, figure.about(0.17)
    if view != "side":
        for side, s in (("near", near), ("far", -near)):
            ear = figure.add("ear", ellipse(s * r, y, 0.045, 0.06), f"{side} ear")
            figure.mark(f"{side} ear", s * (r + 0.02), y, ear)
    face = figure.add("head", ellipse(0, y, r, r * 1.15))
    cut = {"front": (-0.05, 0.5), "back": (0.0, 1.2), "side": (-0.1, 0.95)}[view]
    figure.add(
        "hair",
        ellipse(
            cut[0] * r if view == "side" else 0,
            y - r * (0.75 if view == "front" else 0.3),
            r * 1.08,
            r * cut[1],
        ),
    )
    if view == "side":
        figure.add("head", ellipse(r * 0.4, y + r * 0.25, r * 0.72, r * 0.8))
        ear = figure.add("ear", ellipse(-r * 0.1, y + 0.1 * r, 0.045, 0.06), "near ear")
        figure.mark("near ear", -r * 0.1, y + 0.1 * r, ear)
        figure.mark("far ear", 0, y)
    _face(figure, view, near, y, r, face)


def _face(figure: Figure, view: str, near: float, y: float, r: float, face: int) -> None:
    middle = {"front": figure.off(0.2) * r, "back": 0.0, "side": r * 1.05}[view]
    if view == "back":
        for name in ("near eye", "far eye", "nose"):
            figure.mark(name, 0, y)
        return
    eyes = {"near": near * 0.42 * r + middle, "far": -near * 0.42 * r + middle}
    if view == "side":
        eyes = {"near": r * 0.6}
        figure.mark("far eye", r * 0.8, y - r * 0.1)
    for side, x in eyes.items():
        white = figure.add("eye", ellipse(x, y - r * 0.1, r * 0.2, r * 0.16), f"{side} eye")
        pupil = figure.add("eye", ellipse(x, y - r * 0.1, r * 0.09, r * 0.1), f"{side} eye", paint="pupil")
        figure.mark(f"{side} eye", x, y - r * 0.1, white, pupil)
    nose = figure.add("snout", ellipse(middle, y + r * 0.22, r * 0.18, r * 0.2), "nose")
    figure.mark("nose", middle, y + r * 0.22, nose)
    figure.add("mouth", ellipse(middle * 0.75, y + r * 0.68, r * 0.32, r * 0.1))
