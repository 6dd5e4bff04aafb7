"""Two encoders compared on the same items: intervals by the bootstrap over images, and a test of no difference."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from suite.judge.paired import Difference, differences, draws_for


def difference_of(a: np.ndarray, b: np.ndarray, groups: np.ndarray, **options: int) -> Difference:
    return differences({"a": a, "b": b}, [("a", "b")], groups, **options)["a", "b"]


def slow_bootstrap(a: list[float], b: list[float], groups: list[int], draws: int) -> list[float]:
    """Draw whole groups again, average what was drawn: the definition."""
    draw = random.Random(1)
    members = {g: [i for i, group in enumerate(groups) if group == g] for g in set(groups)}
    means = []
    for _ in range(draws):
        indices = [i for _ in members for i in members[draw.choice(list(members))]]
        means.append(100 * statistics.fmean(a[i] - b[i] for i in indices))
    return sorted(means)


def test_an_interval_is_that_of_the_definition() -> None:
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 30, 90).astype(np.int32)
    image = draw.normal(0, 0.2, 30)[groups]  # what the items of an image share
    a, b = (0.5 + draw.normal(0, 0.1, 90) + image).astype(np.float32), draw.normal(0.45, 0.1, 90).astype(np.float32)
    difference = difference_of(a[None], b[None], groups)
    means = slow_bootstrap(a.tolist(), b.tolist(), groups.tolist(), 3000)
    assert difference.value == pytest.approx(100 * float((a - b).mean()), abs=1e-4)
    assert (difference.items, difference.images) == (90, len(set(groups.tolist())))
    assert difference.low == pytest.approx(means[75], abs=0.6)
    assert difference.high == pytest.approx(means[2925], abs=0.6)
    independent_difference = difference_of(a[None], b[None], np.arange(90, dtype=np.int32))
    assert independent_difference.high - independent_difference.low < 0.8 * (difference.high - difference.low), (
        "items of one image are no independent evidence"
    )


def test_what_is_hard_for_both_cancels() -> None:
    hard = np.random.default_rng(0).normal(0.5, 0.2, 200).astype(np.float32)
    groups = np.arange(200, dtype=np.int32)
    difference = difference_of((hard + 0.01)[None], hard[None], groups)
    assert difference.value == pytest.approx(1.0, abs=1e-3)
    assert difference.low == pytest.approx(difference.high, abs=1e-3)
    assert difference.p_value == pytest.approx(2 / 10_000)


def test_equal_scores_are_no_difference_and_seeds_are_averaged() -> None:
    scores = np.random.default_rng(0).uniform(0, 1, (3, 50)).astype(np.float32)
    groups = np.zeros(50, np.int32) + np.arange(50) % 10
    assert difference_of(scores, scores.mean(0, keepdims=True), groups).p_value == 1.0


def test_a_true_difference_of_none_is_rarely_called_one() -> None:
    draw, called = np.random.default_rng(2), 0
    groups = np.repeat(np.arange(60), 2).astype(np.int32)
    for _ in range(200):
        a, b = (draw.normal(0.5, 0.2, (1, 120)).astype(np.float32) for _ in range(2))
        called += difference_of(a, b, groups, draws=499).p_value <= 0.05
    assert 2 <= called <= 22


def test_pairs_are_compared_over_the_same_draws_either_way_round() -> None:
    draw = np.random.default_rng(3)
    scores = {name: draw.normal(0.5, 0.2, (2, 90)).astype(np.float32) for name in "abc"}
    groups = np.repeat(np.arange(30), 3).astype(np.int32)
    found = differences(scores, [("a", "b"), ("b", "c"), ("b", "a")], groups)
    assert found["b", "a"].value == -found["a", "b"].value
    assert found["b", "a"].low == pytest.approx(-found["a", "b"].high, abs=1e-9)
    assert found["a", "b"].reversed().p_value == found["b", "a"].p_value
    alone = difference_of(scores["b"], scores["c"], groups)
    assert (found["b", "c"].value, found["b", "c"].p_value) == (alone.value, alone.p_value)
    assert found["b", "c"].low == pytest.approx(alone.low, abs=1e-9)


def test_a_family_has_draws_enough_that_holm_s_first_step_can_be_passed() -> None:
    assert draws_for(1, 0.05) == draws_for(112, 0.05) == 9_999
    for family in (251, 1_000, 4_950):
        assert 2 / (draws_for(family, 0.05) + 1) <= 0.05 / family
    a, b = (np.full((1, 40), value, np.float32) for value in (0.6, 0.5))
    groups = np.arange(40, dtype=np.int32)
    many = difference_of(a, b, groups, draws=draws_for(1_000, 0.05))
    assert many.p_value == 2 / 40_001
    few = difference_of(a, b, groups)
    assert (many.low, many.high) == (few.low, few.high), "the interval is that of the first draws"
