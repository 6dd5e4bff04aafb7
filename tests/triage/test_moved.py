"""A try's move of a cell: its value is the difference of the two cells, its interval that of a paired bootstrap."""

import numpy as np
import pytest

from suite.judge.paired import differences
from suite.results.image_counts import ImageCounts, pack
from suite.results.image_sums import sums_of_scores
from suite.results.store import PerItemScores
from suite.triage.moved import moved, scores_of

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), [10, 20, 30]).astype(np.int32)
GROUPS = np.repeat(np.arange(20), 3).astype(np.int32)


def retrieval(identity: str = "same") -> PerItemScores:
    return PerItemScores({"encoded/ap": RANDOM.random((1, 60))}, identity, GROUPS, {"labels": LABELS})


def counts() -> ImageCounts:
    labelled = RANDOM.integers(1, 50, (12, 4))
    correct = (labelled * RANDOM.random((12, 4))).astype(np.int64)
    return ImageCounts(correct, correct + RANDOM.integers(0, 9, (12, 4)), labelled)


def masks(run: ImageCounts) -> PerItemScores:
    evidence = {f"linear_head.{part}": array for part, array in pack([run]).items()}
    return PerItemScores({}, "same", np.arange(12, dtype=np.int32), evidence)


@pytest.mark.parametrize("metric", ["miou", "macc", "aacc"])
def test_scores_of_images_have_the_cell_for_their_mean(metric: str) -> None:
    run = counts()
    scores = scores_of(masks(run), "linear_head", metric)
    assert scores is not None
    assert 100 * scores.rows.mean() == pytest.approx(run.percent()[metric])


def test_what_an_image_adds_to_miou_is_what_is_lost_without_it() -> None:
    """To first order: the jackknife, which leaves each image out in turn, gives the same spread within a tenth."""
    run = counts()
    scores = scores_of(masks(run), "linear_head", "miou")
    assert scores is not None
    without = [
        ImageCounts(*(np.delete(part, n, axis=0) for part in (run.correct, run.predicted, run.labelled))).percent()
        for n in range(12)
    ]
    jackknife = np.sqrt(11 / 12 * np.sum((np.array([p["miou"] for p in without]) - run.percent()["miou"]) ** 2))
    assert 100 * scores.rows.std() / np.sqrt(12) == pytest.approx(jackknife, rel=0.15)


def test_map_is_the_mean_of_weighed_queries() -> None:
    items = retrieval()
    scores = scores_of(items, "encoded", "map")
    assert scores is not None
    by_class = [items.scores["encoded/ap"][0, label == LABELS].mean() for label in range(3)]
    assert scores.rows.mean() == pytest.approx(np.mean(by_class))


def test_a_query_without_a_score_is_left_out() -> None:
    items = PerItemScores({"encoded/ap": np.array([[0.5, np.nan, 1.0]])}, "same", np.arange(3, dtype=np.int32), {})
    scores = scores_of(items, "encoded", "ap")
    assert scores is not None
    assert (scores.rows.tolist(), scores.groups.tolist()) == ([[0.5, 1.0]], [0, 2])


def test_what_the_items_do_not_tell_is_none() -> None:
    assert scores_of(None, "encoded", "ap") is None
    assert scores_of(retrieval(), "cls", "ap") is None
    assert scores_of(retrieval(), "linear_head", "miou") is None


def test_the_same_items_are_drawn_together() -> None:
    run, trial = scores_of(retrieval(), "encoded", "ap"), scores_of(retrieval(), "encoded", "ap")
    assert run is not None
    assert trial is not None
    sums = {"a": sums_of_scores(trial.rows, GROUPS), "b": sums_of_scores(run.rows, GROUPS)}
    assert moved(run, trial) == differences(sums, [("a", "b")], items=60)["a", "b"]


def test_other_items_are_drawn_each_for_itself_so_nothing_cancels() -> None:
    base = RANDOM.random((1, 60))
    run = scores_of(PerItemScores({"encoded/ap": base}, "one", GROUPS, {}), "encoded", "ap")
    same = scores_of(PerItemScores({"encoded/ap": base + 0.01}, "one", GROUPS, {}), "encoded", "ap")
    other = scores_of(PerItemScores({"encoded/ap": base + 0.01}, "other", GROUPS, {}), "encoded", "ap")
    assert run is not None
    assert same is not None
    assert other is not None
    paired, unpaired = moved(run, same), moved(run, other)
    assert (paired.low, paired.high) == pytest.approx((1.0, 1.0))
    assert unpaired.value == pytest.approx(1.0)
    assert unpaired.low < -5 < 5 < unpaired.high
    assert unpaired.p_value > 0.5
