import numpy as np
import pytest

from suite.datasets.parts import FAR_PX, nearest_distances, part_boxes
from suite.errors import RequestError


def nearest_by_hand(points: np.ndarray, groups: np.ndarray) -> list[float]:
    """The rule as a double loop."""
    distances = []
    for i, point in enumerate(points):
        others = [np.sqrt(((q - point) ** 2).sum()) for j, q in enumerate(points) if j != i and groups[j] == groups[i]]
        distances.append(min((d for d in others if d > 0), default=FAR_PX))
    return distances


def test_nearest_distances_of_scattered_groups_match_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 12, (200, 2)).astype(float)
    groups = rng.integers(0, 40, 200)
    np.testing.assert_allclose(nearest_distances(points, groups), nearest_by_hand(points, groups), rtol=1e-15)


@pytest.mark.parametrize(
    ("points", "distances"),
    [
        ([(5, 5)], [FAR_PX]),
        ([(5, 5), (5, 5)], [FAR_PX, FAR_PX]),
        ([(5, 5), (5, 5), (35, 45)], [50, 50, 50]),
        ([], []),
    ],
    ids=["alone", "coincident", "coincident and another", "none"],
)
def test_points_on_one_spot_do_not_count(points: list[tuple[int, int]], distances: list[float]) -> None:
    result = nearest_distances(np.array(points, dtype=float).reshape(-1, 2), np.zeros(len(points), dtype=np.int64))
    assert result.tolist() == distances


def test_a_twelve_digit_third_coordinate_does_not_overflow() -> None:
    points = np.array([[0, 0, 900_100_000_001.0], [30, 40, 900_100_000_001.0], [0, 0, 1.0]])
    assert nearest_distances(points, np.zeros(3, dtype=np.int64)).tolist() == [50, 50, FAR_PX]


@pytest.mark.parametrize(
    ("distance", "half", "full"),
    [
        (40.0, None, None),
        (40.1, 10, 20),
        (42.0, 10, 21),  # 10.5 rounds to the even 10
        (46.0, 12, 23),  # 11.5 rounds to the even 12
        (85.0, 21, 42),  # 42.5 rounds to the even 42
        (1999.0, 500, 1000),
        (2000.0, None, None),
        (FAR_PX, None, None),
    ],
)
def test_limits_are_exclusive_and_rounding_is_to_even(distance: float, half: int | None, full: int | None) -> None:
    for name, side in (("half", half), ("full", full)):
        kept, boxes = part_boxes(np.array([[3.0, 700.0]]), np.array([distance]), name)
        expected = [] if side is None else [[3 - side, 700 - side, 3 + side, 700 + side]]
        assert boxes.tolist() == expected
        assert kept.tolist() == [0] * len(expected)


def test_unknown_keypoint_box() -> None:
    with pytest.raises(RequestError) as caught:
        part_boxes(np.zeros((1, 2)), np.array([50.0]), "huge")
    assert str(caught.value) == "unknown keypoint-box 'huge': expected one of half, full"
