"""Inside the container: its image is known, and it is as closed as the documentation promises."""

from __future__ import annotations

from suite.verification import enclosure


def test_image(hold) -> None:
    hold(enclosure.image())


def test_enclosure(hold) -> None:
    hold(enclosure.enclosure())
