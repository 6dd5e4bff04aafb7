"""Car, truck, bus, airplane and boat, seen from their near side."""

from __future__ import annotations

from suite.mini.shapes import Figure, ellipse, limb, polygon


def _wheels(figure: Figure, radius: float, y: float, *places: float) -> None:
    for x in places:
        figure.add("wheel", ellipse(x, y, radius, radius))
        figure.add("wheel", ellipse(x, y, radius * 0.5, radius * 0.5), paint="hub")


def car(figure: Figure) -> None:
    """Draw a saloon car."""
    length, height, cabin = figure.about(0.95), figure.about(0.24), figure.about(0.36)
    back, front = -length * 0.62, length * 0.45
    roof = -height - cabin
    figure.add("body", polygon((back, -height), (back + 0.2, roof), (front - 0.25, roof), (front, -height)), "roof")
    figure.add(
        "body",
        polygon(
            (-length, -height * 0.9),
            (-length + 0.06, -height - 0.02),
            (length * 0.75, -height - 0.02),
            (length, -height * 0.4),
            (length, height),
            (-length, height),
        ),
        "near side",
    )
    middle = (back + front) / 2 + figure.off(0.08)
    sill, top = -height - 0.03, roof + 0.07
    figure.add(
        "window",
        polygon((back + 0.11, sill), (back + 0.25, top), (middle - 0.03, top), (middle - 0.03, sill)),
    )
    figure.add(
        "window",
        polygon((middle + 0.04, sill), (middle + 0.04, top), (front - 0.28, top), (front - 0.1, sill)),
    )
    figure.add("light", ellipse(length * 0.92, -height * 0.1, 0.07, 0.07))
    _wheels(figure, figure.about(0.22), height, -length * 0.58, length * 0.58)


def truck(figure: Figure) -> None:
    """Draw a lorry: a box behind a cab."""
    box, cab = -figure.about(0.62), -figure.about(0.42)
    figure.add("box", polygon((-1, box), (0.52, box), (0.52, 0.2), (-1, 0.2)))
    figure.add("body", polygon((0.57, cab), (0.86, cab), (1, -0.05), (1, 0.3), (-1, 0.3), (-1, 0.2), (0.57, 0.2)))
    figure.add("window", polygon((0.67, cab + 0.08), (0.82, cab + 0.08), (0.93, -0.06), (0.67, -0.06)))
    figure.add("light", ellipse(0.95, 0.12, 0.055, 0.055))
    _wheels(figure, figure.about(0.2), 0.33, -0.72, -0.28, 0.68)


def bus(figure: Figure) -> None:
    """Draw a bus with a row of windows."""
    top = -figure.about(0.6)
    figure.add("body", polygon((-1, top), (0.94, top), (1, top + 0.1), (1, 0.3), (-1, 0.3)), "near side")
    count = int(figure.rng.integers(4, 7))
    step = 1.85 / count
    for i in range(count):
        left, right = -0.93 + i * step, -0.93 + (i + 0.8) * step
        figure.add(
            "window",
            polygon((left, top + 0.12), (right, top + 0.12), (right, top + 0.42), (left, top + 0.42)),
        )
    figure.add("light", ellipse(0.93, 0.14, 0.06, 0.06))
    _wheels(figure, figure.about(0.2), 0.32, -0.6, 0.58)


def airplane(figure: Figure) -> None:
    """Draw an airliner in flight."""
    height, sweep = figure.about(0.17), figure.off(0.1)
    figure.add(
        "wing",
        polygon((0.25, -0.02), (-0.1 + sweep, -0.52), (-0.28 + sweep, -0.52), (-0.12, -0.02)),
        "far wing",
    )
    figure.add(
        "fin",
        polygon((-0.68, -height * 0.6), (-0.95, -height - 0.44), (-1.12, -height - 0.44), (-0.98, -height * 0.3)),
        "stern",
    )
    figure.add("body", limb((0.7, 0), (-0.55, 0), height, height))
    figure.add("body", ellipse(0.7, 0, 0.32, height))
    figure.add("body", polygon((-0.5, height), (-1.02, -height * 0.4), (-0.95, -height), (-0.5, -height)))
    figure.add("tail", polygon((-0.7, -0.02), (-1.08, 0.14 + sweep / 2), (-1.18, 0.1 + sweep / 2), (-0.95, -0.04)))
    for i in range(int(figure.rng.integers(4, 7))):
        figure.add("window", ellipse(-0.45 + i * 0.19, -height * 0.35, 0.055, 0.05))
    figure.add("window", polygon((0.74, -height * 0.75), (0.93, -height * 0.3), (0.74, -height * 0.25)))
    figure.add(
        "wing",
        polygon((0.28, 0.04), (-0.22 + sweep, 0.62), (-0.42 + sweep, 0.62), (-0.14, 0.04)),
        "near wing",
    )
    figure.add("engine", ellipse(0.02 + sweep / 2, 0.3, 0.14, 0.07))


def boat(figure: Figure) -> None:
    """Draw a sailing boat."""
    length, mast = figure.about(0.8), figure.about(1.1)
    lean = figure.off(0.1)
    figure.add("mast", limb((0, 0.1), (lean, -mast), 0.04, 0.03))
    figure.add("sail", polygon((lean - 0.04, -mast * 0.95), (-0.06, -0.05), (-length * 0.85, -0.05)), "back sail")
    figure.add("sail", polygon((lean + 0.06, -mast * 0.85), (0.08, -0.05), (length * 0.8, -0.05)), "front sail")
    figure.add("body", polygon((-length, 0.05), (length, 0.05), (length * 0.7, 0.42), (-length * 0.75, 0.42)))
    for x in (-0.4, 0.0, 0.4):
        figure.add("window", ellipse(x * length, 0.2, 0.065, 0.065))
