"""Intervals over images: on made-up scores they hold the truth as often as they say, and no less for any metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from suite.judge.bootstrap import interval, p_value, times_drawn, values_drawn
from suite.results.image_sums import ImageSums

POPULATIONS = 400
Draw = Callable[[np.random.Generator, int], ImageSums]


def flags(draw: np.random.Generator, images: int) -> ImageSums:
    """One item an image, right or wrong."""
    return ImageSums((draw.random((images, 1, 1)) < 0.7).astype(float), np.ones((images, 1, 1)))


def clusters(draw: np.random.Generator, images: int) -> ImageSums:
    """One to five items an image, which are right or wrong together more often than not."""
    sizes = draw.integers(1, 6, (images, 1, 1)).astype(float)
    return ImageSums(draw.binomial(sizes.astype(int), draw.beta(2, 1, (images, 1, 1))).astype(float), sizes)


def pixels(draw: np.random.Generator, images: int) -> ImageSums:
    """Pixels of five classes, one of which is in every second image only."""
    wholes = draw.integers(50, 500, (images, 1, 5)) * (draw.random((images, 1, 5)) < [1, 1, 1, 1, 0.5])
    return ImageSums(wholes * draw.beta(4, 2, (images, 1, 5)), wholes.astype(float))


@pytest.mark.parametrize(("made", "images"), [(flags, 80), (clusters, 80), (pixels, 40)])
def test_95_of_100_intervals_hold_the_value_of_all_images(made: Draw, images: int) -> None:
    truth = made(np.random.default_rng(1), 400_000).value
    draw, held = np.random.default_rng(2), 0
    for _ in range(POPULATIONS):
        sums = made(draw, images)
        low, high = interval(sums.value, values_drawn({"": sums}, draws=499)[""])
        held += low <= truth <= high
    assert 0.92 <= held / POPULATIONS <= 0.98, held


def test_an_interval_that_took_items_of_an_image_for_independent_would_hold_too_rarely() -> None:
    draw, held = np.random.default_rng(2), 0
    for _ in range(POPULATIONS):
        of_image = draw.beta(1, 1, 40)
        scores = draw.binomial(1, np.repeat(of_image, 8)).astype(float)[:, None, None]
        alone = ImageSums(scores, np.ones_like(scores))
        low, high = interval(alone.value, values_drawn({"": alone}, draws=499)[""])
        held += low <= 50 <= high
    assert held / POPULATIONS < 0.85, held


def test_values_are_drawn_over_the_same_images() -> None:
    sums = clusters(np.random.default_rng(0), 30)
    lower = ImageSums(sums.parts - 0.1 * sums.wholes, sums.wholes)
    drawn = values_drawn({"a": sums, "b": lower}, draws=200)
    assert drawn["a"] - drawn["b"] == pytest.approx(np.full(200, 10.0))
    times = np.concatenate([*times_drawn(30, 200)])
    assert times.shape == (200, 30)
    assert (times.sum(axis=1) == 30).all()
    by_hand = 100 * (times @ sums.parts[:, 0, 0]) / (times @ sums.wholes[:, 0, 0])
    assert drawn["a"] == pytest.approx(by_hand)


def test_a_class_that_no_drawn_image_holds_is_left_out() -> None:
    parts = np.array([[[1.0, 0.0]], [[1.0, 1.0]]])
    wholes = np.array([[[2.0, 0.0]], [[2.0, 1.0]]])
    drawn = values_drawn({"": ImageSums(parts, wholes)}, draws=100)[""]
    assert {*drawn} == {50.0, 75.0}


def test_an_interval_lies_around_the_value_and_a_difference_of_none_is_likely() -> None:
    drawn = np.linspace(0, 100, 1001)
    assert interval(7.0, drawn) == pytest.approx((-40.5, 54.5))
    assert p_value(0.0, drawn) == 1.0
    assert p_value(51.0, drawn) == pytest.approx(2 / 1002)
    assert p_value(-51.0, drawn) == pytest.approx(2 / 1002)
