"""The paper's part patches: squares around keypoints, sized by the distance to the nearest other keypoint.

The official code (moco/loader.py) and the paper's text differ: the code's square has half the distance as
its side, the text's the whole distance. `keypoint_box` chooses: "half" (code, the default) or "full" (text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from suite.datasets.pixels import Box
from suite.datasets.tables import Floats, Ints
from suite.datasets.views import View, ViewSet
from suite.errors import unknown
from suite.protocol.constants import constant

NEAREST_PX: tuple[float, float] = constant("part_patches", "nearest_px")
"""Distances to the nearest keypoint between which, exclusive, there is a patch."""

FAR_PX: float = constant("part_patches", "far_px")
"""Distance given to a keypoint without another, and to coincident ones: no patch (moco/loader.py)."""

KEYPOINT_BOXES: dict[str, float] = constant("part_patches", "half_side_divisor")
"""Name -> what the distance is divided by to get half the square's side."""


@dataclass(frozen=True, slots=True)
class PartPatch:
    """A square around one keypoint.

    Attributes:
        image: the file.
        box: (left, top, right, bottom), pixels; may reach over the border.
        label: class, from 0 in the order of the official code.
        part: the class's name.
        image_id: the dataset's own number of the image.
    """

    image: Path
    box: Box
    label: int
    part: str
    image_id: int


def nearest_distances(points: Floats, groups: Ints) -> Floats:
    """Return the distance of each point to the nearest other point of its group that is not on the same spot.

    Args:
        points: (N, K) coordinates.
        groups: (N,) any integers.

    Returns:
        (N,) Euclidean distances, at most `FAR_PX`, which also says that the group has no such point.
    """
    order = np.argsort(groups, kind="stable")
    points, groups = points[order], groups[order]
    nearest = np.full(len(points), FAR_PX)
    for shift in range(1, len(points)):  # pairs `shift` places apart; ends with the largest group
        first = np.flatnonzero(groups[shift:] == groups[:-shift])
        if first.size == 0:
            break
        second = first + shift
        distance = np.linalg.norm(points[first] - points[second], axis=1)
        distance[distance == 0] = FAR_PX
        nearest[first] = np.minimum(nearest[first], distance)
        nearest[second] = np.minimum(nearest[second], distance)
    unsorted = np.empty_like(nearest)
    unsorted[order] = nearest
    return unsorted


def part_boxes(centres: Floats, distances: Floats, keypoint_box: str = "half") -> tuple[Ints, Ints]:
    """Return the squares around keypoints that are between 40 and 2,000 pixels, exclusive, from their nearest one.

    Half the side is a quarter of the distance ("full": half of it) rounded to even at .5, as Python does.
    The limits do not depend on `keypoint_box`: both choices keep the same keypoints.

    Args:
        centres: (N, 2) x and y, pixels.
        distances: (N,) from `nearest_distances`, pixels.
        keypoint_box: "half" or "full".

    Returns:
        (M,) indices of the keypoints kept, and their (M, 4) boxes.

    Raises:
        RequestError: unknown `keypoint_box`.

    Source: official code, moco/loader.py; "full": paper, section 4.
    """
    if keypoint_box not in KEYPOINT_BOXES:
        raise unknown("keypoint-box", keypoint_box, list(KEYPOINT_BOXES))
    indices = np.flatnonzero((distances > NEAREST_PX[0]) & (distances < NEAREST_PX[1]))
    half = np.rint(distances[indices] / KEYPOINT_BOXES[keypoint_box])[:, None]
    boxes = np.hstack([centres[indices] - half, centres[indices] + half])
    return indices, np.rint(boxes).astype(np.int64)  # PIL rounds the edges of a crop in the same way


def part_views(patches: Sequence[PartPatch]) -> ViewSet:
    """Return the patches as labelled views, in their order."""
    names = {patch.label: patch.part for patch in patches}
    return ViewSet(
        [View(patch.image, patch.box) for patch in patches],
        np.array([patch.label for patch in patches], dtype=np.int64),
        tuple(names.get(label, f"part {label}") for label in range(max(names, default=-1) + 1)),
    )
