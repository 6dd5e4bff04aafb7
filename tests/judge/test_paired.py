"""Two encoders compared on the same items: intervals by the bootstrap over images, and a test of no difference."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from suite.judge.paired import Difference, differences, draws_for
from suite.results.image_counts import ImageCounts, pack
from suite.results.image_sums import image_sums, sums_of_scores
from suite.results.records import PerItemScores


def difference_of(a: np.ndarray, b: np.ndarray, groups: np.ndarray, **options: int) -> Difference:
    sums = {"a": sums_of_scores(a, groups), "b": sums_of_scores(b, groups)}
    return differences(sums, [("a", "b")], items=len(groups), **options)["a", "b"]


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
    scores = np.random.default_rng(0).uniform(0, 1, (3, 50))
    groups = np.zeros(50, np.int32) + np.arange(50) % 10
    assert difference_of(scores, scores.mean(0, keepdims=True), groups).p_value == 1.0, "sums differ in the last bits"


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
    sums = {name: sums_of_scores(rows, groups) for name, rows in scores.items()}
    found = differences(sums, [("a", "b"), ("b", "c"), ("b", "a")], items=90)
    assert found["b", "a"].value == -found["a", "b"].value
    assert found["b", "a"].low == pytest.approx(-found["a", "b"].high, abs=1e-9)
    assert found["a", "b"].reversed().p_value == found["b", "a"].p_value
    alone = difference_of(scores["b"], scores["c"], groups)
    assert found["b", "c"].value == pytest.approx(alone.value, abs=1e-9)
    assert found["b", "c"].p_value == alone.p_value
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


def counts(seed: int, images: int = 60) -> ImageCounts:
    """Pixels of images of which most show the first of three classes, and few the last."""
    draw = np.random.default_rng(seed)
    labelled = draw.integers(50, 100, (images, 3)) * (draw.random((images, 3)) < np.array([0.9, 0.4, 0.05]))
    correct = (labelled * draw.uniform(0.2, 0.9, (images, 3))).astype(np.int64)
    return ImageCounts(correct, correct + draw.integers(0, 20, (images, 3)), labelled)


def test_mean_iou_is_compared_as_the_metric_that_a_table_shows() -> None:
    """The definition: the pixels of the images drawn are added up, then divided, then averaged over classes."""
    runs = {"a": counts(0), "b": counts(1)}
    items = {
        name: PerItemScores({}, "i", np.arange(60, dtype=np.int32), {f"head.{k}": v for k, v in pack([run]).items()})
        for name, run in runs.items()
    }
    sums = {name: image_sums(entry, "head/miou") for name, entry in items.items()}
    found = differences(sums, [("a", "b")], items=60)["a", "b"]
    value = runs["a"].percent()["miou"] - runs["b"].percent()["miou"]
    assert found.value == pytest.approx(value, abs=1e-9)
    assert abs(found.value - 100 * (runs["a"].image_iou - runs["b"].image_iou).mean()) > 0.5, "no mean of images' own"
    draw, slow = np.random.default_rng(5), []
    for _ in range(2_000):
        chosen = draw.integers(0, 60, 60)
        taken = [ImageCounts(r.correct[chosen], r.predicted[chosen], r.labelled[chosen]) for r in runs.values()]
        slow.append(taken[0].percent()["miou"] - taken[1].percent()["miou"])
    low, high = np.quantile(slow, [0.025, 0.975]) - np.mean(slow) + value
    assert (found.low, found.high) == (pytest.approx(low, abs=0.8), pytest.approx(high, abs=0.8))
