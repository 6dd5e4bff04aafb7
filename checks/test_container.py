"""The container: inside, its image is known and it is as closed as promised; outside, it could have the GPU."""

from __future__ import annotations

from suite.container.engine import toolkit
from suite.verification import isolation
from suite.verification.outcome import Check


def test_image(hold) -> None:
    hold(isolation.image())


def test_enclosure(hold) -> None:
    hold(isolation.isolation())


def test_toolkit(hold) -> None:
    hold(Check("container", "toolkit", *toolkit()))
