from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from suite.errors import MetricError
from suite.metrics import (
    average_precision,
    mean_ap,
    mean_class_ap,
    ranking,
    retrieval_average_precision,
    retrieval_average_precision_pair,
    undefined_queries,
)
from suite.probes.retrieval import retrieval_scores
from tests.support import oracles

# scores, relevance, AP worked by hand
HAND = {
    "first and third": ([0.9, 0.2, -0.1], [1, 0, 1], (1 + 2 / 3) / 2),
    "negative scores count": ([0.9, 0.2, -0.1, -0.3], [1, 0, 1, 0], (1 + 2 / 3) / 2),
    "all tied": ([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1], 1 / 2),
    "tie of relevant and not": ([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 1], (1 + 2 / 3 + 3 / 4) / 3),
    "two relevant in a tie": ([0.9, 0.4, 0.4, 0.4], [0, 1, 0, 1], (2 / 4 + 2 / 4) / 2),
    "minus zero equals zero": ([0.0, -0.0, -1.0], [1, 0, 0], 1 / 2),
    "only relevant": ([-3.0], [1], 1.0),
    "last": ([3.0, 2.0, 1.0], [0, 0, 1], 1 / 3),
}


@pytest.mark.parametrize(("scores", "relevant", "expected"), HAND.values(), ids=HAND)
def test_average_precision_by_hand(scores, relevant, expected):
    assert average_precision(np.array(scores), np.array(relevant, bool)) == pytest.approx(expected, abs=1e-12)
    assert average_precision(torch.tensor(scores), torch.tensor(relevant)) == pytest.approx(expected, abs=1e-12)
    assert oracles.average_precision(scores, relevant) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_equals_sklearn_with_ties_and_negatives(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-4, 5, 60) / 4 if seed % 2 else rng.normal(size=60)
    relevant = rng.random(60) < 0.2
    relevant[0] = True
    expected = average_precision_score(relevant, scores)
    assert average_precision(scores, relevant) == pytest.approx(expected, abs=1e-12)


def test_average_precision_tells_close_float64_scores_apart():
    assert average_precision(np.array([1 + 1e-12, 1.0]), np.array([True, False])) == 1.0


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        ([], [], "scores: expected shape (G,) and at least one item, got (0,)"),
        ([1.0], [1, 0], "relevant: expected shape (1,), as scores have, got (2,)"),
        ([np.nan, 1], [1, 0], "scores: expected finite numbers, got nan or infinity"),
        ([2.0, 1], [0, 0], "relevant: expected 0 or 1 with at least one relevant item, got none or other values"),
        ([2.0, 1], [0, 2], "relevant: expected 0 or 1 with at least one relevant item, got none or other values"),
    ],
)
def test_average_precision_refuses(scores, relevant, message):
    with pytest.raises(MetricError) as error:
        average_precision(np.array(scores), np.array(relevant))
    assert str(error.value) == message


def data(seed=0, count=70, width=5, classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)).astype(np.float32), rng.integers(0, classes, count)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_retrieval_equals_the_oracle_on_random_features(seed, include_self):
    features, labels = data(seed)
    expected = oracles.retrieval_average_precision(features, labels, include_self=include_self)
    got = retrieval_average_precision(features, labels, include_self=include_self)
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_retrieval_equals_the_oracle_where_scores_tie(seed, include_self):
    """Unit axes and their opposites: every cosine is exactly -1, 0 (of either sign) or 1, so most items tie."""
    rng = np.random.default_rng(seed)
    features = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)] * rng.choice([-1, 1], (40, 1))
    labels = rng.integers(0, 3, 40)
    expected = oracles.retrieval_average_precision(features, labels, include_self=include_self)
    got = retrieval_average_precision(features.astype(np.float32), labels, include_self=include_self)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_retrieval_equals_sklearn_query_by_query():
    features, labels = data(3, 300, 32)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = [average_precision_score(labels == labels[i], unit @ unit[i]) for i in range(300)]
    np.testing.assert_allclose(retrieval_average_precision(features, labels), expected, atol=1e-6)


def test_retrieval_by_hand():
    """Angles 0, 90 and 180 degrees; the first query ranks itself, the stranger, its like."""
    features, labels = np.array([[1.0, 0], [0, 1], [-1, 0]]), np.array([7, 8, 7])
    third_first = (1 + 2 / 3) / 2
    np.testing.assert_allclose(retrieval_average_precision(features, labels), [third_first, 1, third_first])
    got = retrieval_average_precision(features, labels, include_self=False)
    np.testing.assert_allclose(got, [1 / 2, np.nan, 1 / 2])


@pytest.mark.parametrize("chunk", [1, 3, 64, 1000])
def test_retrieval_does_not_depend_on_chunk(chunk):
    features, labels = data(1)
    whole = retrieval_average_precision(features, labels)
    np.testing.assert_array_equal(retrieval_average_precision(features, labels, chunk=chunk), whole)


@pytest.mark.parametrize(("items", "copies", "width"), [(97, 5, 100), (500, 2, 256)])
@pytest.mark.parametrize("gallery", ["whole", "in pieces"])
def test_retrieval_of_equal_items_does_not_depend_on_chunk_to_the_bit(monkeypatch, items, copies, width, gallery):
    """Each item is there several times: whether they tie hangs on the last bit of their scores."""
    rng = np.random.default_rng(0)
    features = np.tile(rng.normal(size=(items, width)), (copies, 1)).astype(np.float32)
    labels = rng.integers(0, 3, items * copies)
    if gallery == "in pieces":
        monkeypatch.setattr(ranking, "WHOLE_GALLERY", 64 * width)
        monkeypatch.setattr(ranking, "QUERIES_AT_ONCE", 16)
    whole = retrieval_average_precision_pair(features, labels)
    for chunk in (1, 2, 3, 7, 17, 64, 1000):
        got = retrieval_average_precision_pair(features, labels, chunk=chunk)
        np.testing.assert_array_equal(got, whole, err_msg=f"chunk {chunk}")


def test_retrieval_never_holds_more_scores_than_its_block(monkeypatch):
    shapes = []
    original = ranking._product
    monkeypatch.setattr(ranking, "_product", lambda q, i, out: (shapes.append(out.shape), original(q, i, out)))
    features, labels = data()
    monkeypatch.setattr(ranking, "BLOCK_SCORES", 16 * 70)
    for chunk in (None, 1, 16, 40):
        shapes.clear()
        retrieval_average_precision(features, labels, chunk=chunk)
        assert shapes == [(16, 70)] * 4 + [(6, 70)]


def test_retrieval_of_wide_features_normalises_pieces_of_the_gallery(monkeypatch):
    features, labels = data(2)
    whole = retrieval_average_precision(features, labels)
    sizes = []
    original = ranking.normalised
    monkeypatch.setattr(ranking, "normalised", lambda f, n=0: (sizes.append(len(f)), original(f, n))[1])
    monkeypatch.setattr(ranking, "WHOLE_GALLERY", 100)
    monkeypatch.setattr(ranking, "QUERIES_AT_ONCE", 30)
    np.testing.assert_allclose(retrieval_average_precision(features, labels), whole, atol=1e-9)
    assert max(sizes) == 30
    assert sizes.count(20) == 3 * 3
    sizes.clear()
    np.testing.assert_allclose(retrieval_average_precision(features, labels, chunk=31), whole, atol=1e-9)
    assert max(sizes) == 60
    assert sizes.count(20) == 2 * 3


def test_retrieval_returns_the_kind_it_was_given():
    features, labels = data()
    array = retrieval_average_precision(features, torch.from_numpy(labels))
    tensor = retrieval_average_precision(torch.from_numpy(features), labels)
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float64
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == torch.float64
    np.testing.assert_array_equal(array, tensor.numpy())


@pytest.mark.parametrize("scale", [1e-3, 1e15])
def test_retrieval_ignores_the_length_of_features(scale):
    features, labels = data()
    scaled = features * np.float32(scale)
    expected = retrieval_average_precision(features, labels)
    np.testing.assert_allclose(retrieval_average_precision(scaled, labels), expected, atol=1e-6)


def test_a_zero_feature_is_equally_far_from_all():
    """For [1, 0], the zero, [0, 1] and [0, -1] are one threshold: 3 of 4 are relevant at its end."""
    features, labels = np.array([[0.0, 0], [1, 0], [0, 1], [0, -1]]), np.array([0, 0, 0, 1])
    np.testing.assert_allclose(retrieval_average_precision(features, labels), [3 / 4, (1 + 3 / 4 + 3 / 4) / 3, 1, 1])


@pytest.mark.filterwarnings("error")
def test_retrieval_takes_read_only_float64_half_and_gradients():
    features, labels = data()
    expected = retrieval_average_precision(features, labels)
    frozen = features.astype(np.float64)
    frozen.setflags(write=False)
    np.testing.assert_allclose(retrieval_average_precision(frozen, labels), expected, atol=1e-9)
    grown = torch.from_numpy(features).requires_grad_()
    np.testing.assert_allclose(retrieval_average_precision(grown, labels).numpy(), expected, atol=1e-9)
    half = torch.from_numpy(features).half()
    same = retrieval_average_precision(half.float(), labels)
    assert torch.equal(retrieval_average_precision(half, labels), same)


def test_scores_are_made_outside_autocast(monkeypatch):
    seen = []
    original = ranking._product
    spy = lambda q, i, out: (seen.append(torch.is_autocast_enabled("cpu")), original(q, i, out))  # noqa: E731
    monkeypatch.setattr(ranking, "_product", spy)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        retrieval_average_precision(*data())
    assert seen == [False]


def test_the_pair_is_both_choices():
    features, labels = data()
    included, excluded = retrieval_average_precision_pair(features, labels)
    np.testing.assert_array_equal(included, retrieval_average_precision(features, labels, include_self=True))
    np.testing.assert_array_equal(excluded, retrieval_average_precision(features, labels, include_self=False))


def test_keys_keep_order_ties_and_relevance():
    scores = np.array([-1.5, -1, -1e-30, -0.0, 0.0, 1e-45, 0.1, 1, 1.0000001, 1.9], np.float32)
    keys = ranking.packed_keys(scores, np.arange(10) % 2 == 1)
    assert keys.dtype == np.int32
    assert (keys & 1).tolist() == [0, 1] * 5
    assert (np.diff(keys >> 1) > 0).tolist() == [True] * 3 + [False] + [True] * 5
    assert keys[3] >> 1 == keys[4] >> 1


BAD = np.ones((3, 2), np.float32)
BAD[1, 0] = np.nan


@pytest.mark.parametrize(
    ("features", "labels", "chunk", "message"),
    [
        (np.ones((0, 2)), [], None, "features: expected shape (N, D) and at least one item, got (0, 2)"),
        (np.ones(3), [0] * 3, None, "features: expected shape (N, D) and at least one item, got (3,)"),
        (np.ones((3, 2)), [0, 1], None, "labels: expected shape (3,), one per item, got (2,)"),
        (np.ones((3, 2)), [0, 1, np.nan], None, "labels: expected classes, got a value that is not finite"),
        (np.ones((3, 2)) * 1j, [0] * 3, None, "features: expected real numbers, got torch.complex128"),
        (np.ones((3, 2)), [0] * 3, 0, "chunk: expected at least 1 query a block, got 0"),
        (BAD, [0] * 3, None, "features: expected finite numbers, got a norm of nan in row 1"),
        (BAD, [0] * 3, 2, "features: expected finite numbers, got a norm of nan in row 1"),
    ],
)
def test_retrieval_refuses(features, labels, chunk, message):
    with pytest.raises(MetricError) as error:
        retrieval_average_precision(features, np.array(labels), chunk=chunk)
    assert str(error.value) == message


def test_the_bad_row_is_named_in_a_later_piece_too(monkeypatch):
    monkeypatch.setattr(ranking, "WHOLE_GALLERY", 2)
    with pytest.raises(MetricError) as error:
        retrieval_average_precision(BAD, np.zeros(3), chunk=1)
    assert str(error.value) == "features: expected finite numbers, got a norm of nan in row 1"


def test_means_by_hand():
    ap, labels = np.array([1.0, 0.5, 0.0, np.nan]), np.array(["eye", "eye", "leg", "tail"])
    assert mean_ap(ap) == 0.5
    assert mean_class_ap(ap, labels) == (0.75 + 0) / 2
    assert undefined_queries(ap) == 1
    with pytest.raises(MetricError) as error:
        mean_ap(ap[3:])
    assert str(error.value) == "per_query: expected a query with a relevant item, got none among 1"


def test_retrieval_scores_are_per_cent_of_the_means():
    features, labels = data()
    included = oracles.retrieval_average_precision(features, labels)
    excluded = oracles.retrieval_average_precision(features, labels, include_self=False)
    scores = retrieval_scores(torch.from_numpy(features), labels)
    assert scores.ap == pytest.approx(100 * np.mean(included), abs=1e-6)
    assert scores.ap_excluding_self == pytest.approx(100 * np.mean(excluded), abs=1e-6)
    by_class = [np.mean([a for a, c in zip(included, labels, strict=True) if c == k]) for k in range(4)]
    assert scores.map == pytest.approx(100 * np.mean(by_class), abs=1e-6)
    np.testing.assert_allclose(scores.per_query, included, atol=1e-9)
    assert scores.lone_queries == 0


def test_retrieval_scores_count_lone_queries():
    scores = retrieval_scores(np.eye(3), np.array([0, 0, 1]))
    assert (scores.lone_queries, scores.ap_excluding_self) == (1, pytest.approx(50.0))
