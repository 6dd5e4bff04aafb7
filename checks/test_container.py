"""Inside the container: its image is known, and it is as closed as the documentation promises."""

from __future__ import annotations

from suite.verification import isolation


def test_image(hold) -> None:
    hold(isolation.image())


def test_enclosure(hold) -> None:
    hold(isolation.isolation())
