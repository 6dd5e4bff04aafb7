"""Whatever kind of array a metric is given, it computes with the numbers in it, or says in one line what it got."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from suite.errors import MetricError
from suite.metrics import (
    SegmentationCounts,
    average_precision,
    mean_ap,
    mean_class_ap,
    retrieval_average_precision,
    top1_accuracy,
    undefined_queries,
)
from suite.probes import segmentation_loss


def objects(values: Any) -> np.ndarray:
    return np.array(values, object)


def backwards(values: Any) -> np.ndarray:
    """The same items, from the end of their memory to its beginning: torch knows no such steps."""
    return np.flip(np.flip(np.array(values), 0).copy(), 0)


INTEGERS: dict[str, Callable[[Any], Any]] = {
    "list": lambda values: np.asarray(values).tolist(),
    "objects": objects,
    "backwards": backwards,
    "read-only": lambda values: np.broadcast_to(np.array(values), np.shape(values)),
    **{
        f"numpy {code}": lambda values, code=code: np.array(values, code)
        for code in ("u1", "u2", "u4", "u8", "i1", "i2")
    },
    **{
        f"big-endian {code}": lambda values, code=code: np.array(values, f">{code}")
        for code in ("u2", "i4", "i8", "u8")
    },
    **{
        str(dtype): lambda values, dtype=dtype: torch.tensor(np.asarray(values).tolist()).to(dtype)
        for dtype in (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.uint32, torch.uint64, torch.int64)
    },
}
REALS: dict[str, Callable[[Any], Any]] = {
    "list": INTEGERS["list"],
    "objects": objects,
    **{f"numpy {code}": lambda values, code=code: np.array(values, code) for code in ("f2", ">f2", ">f4", ">f8", "g")},
    **{
        str(dtype): lambda values, dtype=dtype: torch.tensor(np.asarray(values).tolist()).to(dtype)
        for dtype in (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float64)
    },
}


@pytest.mark.parametrize("kind", INTEGERS.values(), ids=INTEGERS)
def test_labels_of_any_type_of_integer_are_the_same_labels(kind: Callable[[Any], Any]) -> None:
    logits = [[0.0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert top1_accuracy(np.array(logits), kind([1, 0, 2, 0])) == 3 / 4
    counts = SegmentationCounts(3, ignore_index=7)
    counts.update(kind([[0, 1, 1], [2, 9, 0]]), kind([[0, 1, 2], [2, 7, 1]]))
    assert counts.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert average_precision(np.array([3.0, 2, 1]), kind([1, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)
    assert mean_class_ap(np.array([1.0, 0.5, 0.25]), kind([4, 4, 2])) == pytest.approx((0.75 + 0.25) / 2)
    features = np.array([[1.0, 0], [0, 1], [-1, 0]])
    expected = retrieval_average_precision(features, np.array([7, 8, 7]))
    np.testing.assert_array_equal(retrieval_average_precision(features, kind([7, 8, 7])), expected)
    logits_map = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    target = [[[0, 1, 2], [2, 7, 1]]]
    assert segmentation_loss(logits_map, kind(target), ignore_index=7) == segmentation_loss(
        logits_map, torch.tensor(target), ignore_index=7
    )


@pytest.mark.parametrize("kind", [*INTEGERS.values(), *REALS.values()], ids=[*INTEGERS, *(f"real {k}" for k in REALS)])
def test_scores_of_any_type_of_number_are_the_same_scores(kind: Callable[[Any], Any]) -> None:
    assert top1_accuracy(kind([[0, 2, 1], [1, 0, 0]]), np.array([1, 2])) == 1 / 2
    assert average_precision(kind([3, 2, 1]), np.array([1, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)
    features, labels = [[1, 0], [0, 1], [2, 1], [1, 1]], np.array([0, 1, 0, 1])
    expected = retrieval_average_precision(np.array(features, np.float32), labels)
    np.testing.assert_array_equal(np.asarray(retrieval_average_precision(kind(features), labels)), expected)
    assert mean_ap(kind([1, 0, 1, 0])) == 1 / 2
    assert undefined_queries(kind([1, 0])) == 0


def test_bools_are_classes_scores_and_relevance() -> None:
    flags = np.array([True, False, True])
    counts = SegmentationCounts(2)
    counts.update(flags, torch.from_numpy(flags))
    assert counts.confusion.tolist() == [[1, 0], [0, 2]]
    assert top1_accuracy(np.array([[True, False], [False, True]]), np.array([False, True])) == 1
    assert average_precision(np.array([True, False]), np.array([True, False])) == 1


def test_close_integer_scores_are_told_apart() -> None:
    """2**53 and 2**53 + 1 are one float64."""
    assert average_precision(np.array([2**53 + 1, 2**53]), np.array([True, False])) == 1.0


@pytest.mark.parametrize("ignore_index", [-100, -1, 256, 300, 2**40])
@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_a_label_that_a_mask_cannot_hold_ignores_none_of_its_pixels(
    kind: Callable[..., Any], ignore_index: int
) -> None:
    """Modulo 256, -100 is 156, -1 is 255, 256 is 0 and 300 is 44."""
    dtype = np.uint8 if kind is np.array else torch.uint8
    labels = [0, 44, 156, 255]
    counts = SegmentationCounts(256, ignore_index=ignore_index)
    counts.update(kind(labels, dtype=dtype), kind(labels, dtype=dtype))
    assert counts.confusion.diagonal()[labels].tolist() == [1, 1, 1, 1]
    logits = torch.randn(1, 256, 2, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.tensor([[labels[:2], labels[2:]]], dtype=torch.uint8)
    expected = torch.nn.functional.cross_entropy(logits, target.long())
    torch.testing.assert_close(segmentation_loss(logits, target, ignore_index=ignore_index), expected)


def test_minus_one_in_a_mask_of_int8_is_not_255() -> None:
    target = np.array([[0, -1], [1, 1]], np.int8)
    counts = SegmentationCounts(2)
    with pytest.raises(MetricError) as error:
        counts.update(np.zeros((2, 2), np.int8), target)
    assert str(error.value) == "target: expected classes in [0, 2) or 255, got -1 in 1 pixels"
    assert not counts.confusion.any()
    with pytest.raises(MetricError) as error:
        segmentation_loss(torch.zeros(1, 2, 2, 2), torch.from_numpy(target)[None])
    assert str(error.value) == "target: expected classes in [0, 2) or 255, got -1 in 1 pixels"


def test_more_classes_than_a_mask_can_hold_make_none_of_them_illegal() -> None:
    """Modulo 256, 300 classes are 44."""
    logits = torch.zeros(1, 300, 2, 2, requires_grad=True)
    target = torch.tensor([[[0, 43], [44, 200]]], dtype=torch.uint8)
    assert segmentation_loss(logits, target).item() == pytest.approx(np.log(300))


MASKED = np.ma.masked_array([0, 1], [True, False])
LARGE = np.array([0, 2**64 - 1], np.uint64)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (MASKED, "expected an array without a mask of its own, got a masked array; fill it first"),
        (LARGE, "expected integers of at most 9223372036854775807, got 18446744073709551615"),
        (torch.from_numpy(LARGE), "expected integers of at most 9223372036854775807, got 18446744073709551615"),
        (np.array(["0", "1"]), "expected real numbers, got <U1, e.g. np.str_('0')"),
        (np.array([0, None]), "expected real numbers, got object, e.g. 0"),
        ([0, "1"], "expected items of one kind, got int and str"),
        (np.array([0, 1j]), "expected real numbers, got torch.complex128"),
        (np.array([0, 1j], np.clongdouble), "expected real numbers, got complex256, e.g. np.clongdouble('0j')"),
        (torch.zeros(2, dtype=torch.int64, device="meta"), "expected real numbers, got torch.int64 on meta"),
    ],
)  # fmt: skip
def test_what_holds_no_labels_is_said_in_one_line(labels: Any, message: str) -> None:
    for name, asked in {
        "labels": lambda: top1_accuracy(np.eye(2), labels),
        "target": lambda: SegmentationCounts(2).update(np.zeros(2, int), labels),
        "prediction": lambda: SegmentationCounts(2).update(labels, np.zeros(2, int)),
        "relevant": lambda: average_precision(np.ones(2), labels),
        "scores": lambda: average_precision(labels, np.ones(2)),
        "per_query": lambda: mean_ap(labels),
    }.items():
        with pytest.raises(MetricError) as error:
            asked()
        assert str(error.value) == f"{name}: {message}"


def test_ragged_lists_are_no_array() -> None:
    with pytest.raises(MetricError) as error:
        top1_accuracy([[0.0], [0.0, 1.0]], [0, 1])
    assert str(error.value).startswith("logits: expected an array, got list that is none: setting an array element")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "1", 2], "labels: expected items of one kind, got int and str"),
        (objects([1, "1", 2]), "labels: expected items of one kind, got int and str"),
        (objects([1, None, 2]), "labels: expected numbers or strings, got NoneType, int"),
        (MASKED, "labels: expected an array without a mask of its own, got a masked array; fill it first"),
        (torch.tensor([0.0, 1, float("nan")]).bfloat16(), "labels: expected classes, got a value that is not finite"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(MetricError) as error:
        retrieval_average_precision(np.eye(3), labels)
    assert str(error.value) == message


def test_classes_may_be_strings_or_floats_of_any_kind() -> None:
    expected = mean_class_ap(np.array([1.0, 0.5, 0.25]), np.array([0, 0, 1]))
    for labels in (
        ["a", "a", "b"],
        objects(["a", "a", "b"]),
        [b"a", b"a", b"b"],
        torch.tensor([1.5, 1.5, 2]).bfloat16(),
    ):
        assert mean_class_ap(np.array([1.0, 0.5, 0.25]), labels) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 2.0}, "num_classes: expected an integer, got 2.0"),
        ({"num_classes": 2, "ignore_index": None}, "ignore_index: expected an integer, got None"),
        (
            {"num_classes": 2, "ignore_index": 2**64},
            f"ignore_index: expected an integer of at most 64 bits, got {2**64}",
        ),
    ],
)
def test_counts_are_of_whole_classes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError) as error:
        SegmentationCounts(**arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(1, 2, 2, 2).int(), torch.zeros(1, 2, 2).int(), "tensor of floating numbers, got torch.int32"),
        (np.zeros((1, 2, 2, 2)), torch.zeros(1, 2, 2).int(), "tensor of floating numbers, got ndarray"),
    ],
)
def test_a_loss_is_of_floating_logits(logits: Any, target: Any, message: str) -> None:
    with pytest.raises(MetricError) as error:
        segmentation_loss(logits, target)
    assert str(error.value) == f"segmentation loss: expected logits as a {message}"


def test_a_loss_is_of_whole_labels() -> None:
    with pytest.raises(MetricError) as error:
        segmentation_loss(torch.zeros(1, 2, 2, 2), torch.full((1, 2, 2), 0.5))
    assert str(error.value) == "target: expected integers, got torch.float32"
