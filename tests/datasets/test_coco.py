import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from suite.datasets import coco
from suite.datasets.files import RESTORE
from suite.datasets.parts import PartPatch
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import person, write_coco

CROWD = 900_100_000_000
PEOPLE = [
    # image 2 comes first in the file; 80 px from nose to wrist, half 20
    person(2, 7, nose=(10, 30, 2), right_wrist=(90, 30, 2), left_ankle=(60, 100, 1)),
    person(1, 100, nose=(20, 20, 2), right_wrist=(20, 80, 2)),
    # 50 px from the first person's nose and 30 in annotation id: 58.3 together
    person(1, 130, nose=(70, 20, 2), left_ankle=(70, 110, 2)),
    person(1, 140, nose=(20, 21, 2)),  # a single visible point: not in the pool
    person(1, CROWD, nose=(21, 80, 2), right_wrist=(21, 20, 2)) | {"iscrowd": 1},
]


def sides(patches: list[PartPatch]) -> list[tuple[int, str, int]]:
    return [(patch.image_id, patch.part, patch.box[2] - patch.box[0]) for patch in patches]


def test_patches_come_image_by_image_as_the_official_loader_groups_them(tmp_path: Path) -> None:
    """Images in the order of their first contributing person (moco/loader.py), then annotations in theirs."""
    points = {"nose": (10, 10, 2), "right_wrist": (10, 200, 2)}
    people = [
        person(1, 1000, nose=(10, 10, 2)),  # does not contribute: image 1 comes by its second person
        person(2, 2000, **points),
        person(1, 3000, **points),
        person(2, 4000, **points),
        person(1, 5000, **points),
    ]
    patches = coco.part_patches(write_coco(tmp_path, "person_keypoints", "val2017", people), "val2017")
    assert [patch.image_id for patch in patches] == [2, 2, 2, 2, 1, 1, 1, 1]
    assert [patch.part for patch in patches] == ["nose", "right wrist"] * 4


def test_patches_in_the_order_of_annotations(tmp_path: Path) -> None:
    root = write_coco(tmp_path, "person_keypoints", "val2017", PEOPLE[:2])
    file = root / "images/val2017"
    assert coco.part_patches(root, "val2017") == [
        PartPatch(file / "000000000002.jpg", (-10, 10, 30, 50), 0, "nose", 2),
        PartPatch(file / "000000000002.jpg", (70, 10, 110, 50), 1, "right wrist", 2),
        PartPatch(file / "000000000001.jpg", (5, 5, 35, 35), 0, "nose", 1),
        PartPatch(file / "000000000001.jpg", (5, 65, 35, 95), 1, "right wrist", 1),
    ]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        # nose to nose sqrt(50**2 + 30**2) = 58.3, half 14.6 -> 15; ankle to the other's wrist
        # sqrt(50**2 + 30**2 + 30**2) = 65.6, half 16.4 -> 16; the crowd's id puts it far away
        ("id", [(1, "nose", 30), (1, "right wrist", 30), (1, "nose", 30), (1, "left ankle", 32)]),
        # same person: 60, 60, 90, 90
        ("person", [(1, "nose", 30), (1, "right wrist", 30), (1, "nose", 44), (1, "left ankle", 44)]),
    ],
)
def test_distance_with_the_annotation_id_and_within_a_person(
    tmp_path: Path, distance: str, expected: list[tuple[int, str, int]]
) -> None:
    crowd = [(1, "nose", 30), (1, "right wrist", 30)]
    root = write_coco(tmp_path, "person_keypoints", "train2017", PEOPLE[1:])
    assert sides(coco.part_patches(root, distance=distance)) == expected + crowd


def test_distance_within_an_image_lets_neighbours_drop_each_other(tmp_path: Path) -> None:
    # the crowd's points lie 1 px from the first person's: all four dropped; the second nose is 49 px from the
    # crowd's wrist (half 12), its ankle 57.5 px from the crowd's nose (half 14)
    root = write_coco(tmp_path, "person_keypoints", "train2017", PEOPLE[1:])
    kept = sides(coco.part_patches(root, distance="image"))
    assert kept == [(1, "nose", 24), (1, "left ankle", 28)]


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown split of coco 'test': expected one of train2017, val2017"):
        coco.part_patches(tmp_path, "test")
    with pytest.raises(RequestError, match="unknown coco-distance 'far': expected one of id, person, image"):
        coco.part_patches(tmp_path, distance="far")


IDS = itertools.count(1)


def thing(image_id: int, category: int, bbox: list[float], *, crowd: int = 0) -> dict[str, Any]:
    return {"id": next(IDS), "image_id": image_id, "category_id": category, "bbox": bbox, "iscrowd": crowd}


def test_object_crops_are_squares_around_boxes(tmp_path: Path) -> None:
    things = [
        thing(2, 90, [10.0, 20.0, 40.0, 30.0]),
        thing(1, 1, [0.0, 0.0, 21.5, 100.4]),  # side 100.4 -> 100, over the left border
        thing(1, 1, [5.0, 5.0, 20.0, 20.0]),  # not above 20 px
        thing(1, 1, [5.0, 5.0, 60.0, 60.0], crowd=1),
        thing(1, 1, [0.0, 0.0, 1000.0, 5.0]),  # not below 1000 px
    ]
    crops = coco.object_crops(write_coco(tmp_path, "instances", "val2017", things))
    assert [view.box for view in crops.views] == [(10, 15, 50, 55), (-39, 0, 61, 100)]
    assert [view.image.name for view in crops.views] == ["000000000002.jpg", "000000000001.jpg"]  # type: ignore[union-attr]
    assert crops.labels.tolist() == [1, 0]
    assert crops.class_names == ("person", "toothbrush")


def test_images_beside_annotations_as_the_archives_unpack(tmp_path: Path) -> None:
    root = write_coco(tmp_path, "instances", "val2017", [thing(1, 1, [0, 0, 50, 50])])
    (root / "images/val2017").rename(root / "val2017")
    (root / "images").rmdir()
    assert coco.object_crops(root).views[0].image == root / "val2017/000000000001.jpg"


def broken(**changes: Any) -> dict[str, Any]:
    good = thing(1, 1, [0.0, 0.0, 50.0, 50.0]) | changes
    return {key: value for key, value in good.items() if value is not ...}


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (broken(image_id=5), "cannot be read (an annotation is on image 5, which 'images' does not list)"),
        (broken(category_id=3), "cannot be read (an annotation is of category 3, which 'categories' does not list)"),
        (
            broken(bbox=[1, 2, 3]),
            "cannot be read (annotations[0]: 'bbox': expected 4 numbers from -65535 to 65535, got [1, 2, 3])",
        ),
        (broken(bbox=...), "annotations[0]: missing 'bbox', got ['category_id', 'id', 'image_id', 'iscrowd']"),
        (broken(iscrowd=1), "expected objects that are not crowds, found none"),
    ],
)
def test_an_annotation_that_breaks_its_format(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    root = write_coco(tmp_path, "instances", "val2017", [annotation])
    with pytest.raises(DatasetError) as caught:
        coco.object_crops(root)
    assert str(caught.value) == f"{root}/annotations/instances_val2017.json: {message}: {RESTORE}"


def test_a_file_that_is_not_coco(tmp_path: Path) -> None:
    root = write_coco(tmp_path, "person_keypoints", "val2017", PEOPLE[3:4])
    path = root / "annotations/person_keypoints_val2017.json"
    whole = json.loads(path.read_text())

    def error() -> str:
        with pytest.raises(DatasetError) as caught:
            coco.part_patches(root, "val2017")
        return str(caught.value)

    assert error() == f"{path}: expected part patches, found none: {RESTORE}"
    path.write_text(json.dumps(whole | {"annotations": []}))
    assert error() == f"{path}: cannot be read (expected records under 'annotations', got none): {RESTORE}"
    whole["categories"][0]["keypoints"][10] = "left_wrist"
    path.write_text(json.dumps(whole))
    assert error() == (f"{path}: cannot be read (keypoint 11: expected 'right wrist', got 'left_wrist'): {RESTORE}")
    path.write_text("[]")
    assert error() == f"{path}: cannot be read (expected a JSON object, got list): {RESTORE}"
    path.write_text("{")
    assert error().startswith(f"{path}: cannot be read (Expecting property name")
    path.unlink()
    assert error() == f"{path}: cannot be read (No such file or directory): {RESTORE}"
