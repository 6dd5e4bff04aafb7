"""Index files as people have them: each value is of its type, finite, whole and in range, and each table whole."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.datasets import cifar10, coco, cub200
from suite.datasets.files import RESTORE
from suite.errors import DatasetError
from tests.support.lookalikes import CIFAR_NAMES, person, write_cifar10, write_coco, write_cub200

POINTS = {"nose": (10, 10, 2), "right_wrist": (10, 110, 2)}
PEOPLE = [person(image, 10 * image + k, **POINTS) for image in (1, 2) for k in (0, 1)]
BOX = [5.0, 5.0, 60.0, 60.0]
BIRDS = [(i, part, x, y, 1) for i in (1, 2, 3) for part, x, y in ((9, 9.0, 9.0), (11, 99.0, 9.0), (14, 9.0, 99.0))]
FAR = "from -65535 to 65535"


def refusal(read: Callable[[], object]) -> str:
    """Return the message of a reader's refusal, without its remedy."""
    with pytest.raises(DatasetError) as caught:
        read()
    assert str(caught.value).endswith(f": {RESTORE}")
    assert str(caught.value).isprintable()
    return str(caught.value).removesuffix(f": {RESTORE}")


def set_in(path: tuple[str | int, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        for key in path[:-1]:
            target = target[key]
        if value is ...:
            del target[path[-1]]
        else:
            target[path[-1]] = value

    return change


CHANGES: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("annotations", 1), None, "annotations[1]: expected a record, got None"),
    (("annotations", 1), [7], "annotations[1]: expected a record, got [7]"),
    (("images", 0), "x.jpg", "images[0]: expected a record, got 'x.jpg'"),
    (("annotations",), {"1": {}}, "expected records under 'annotations', got dict"),
    (("annotations", 1, "id"), [11], "annotations[1]: 'id': expected a whole number, got [11]"),
    (("annotations", 1, "id"), "11", "annotations[1]: 'id': expected a whole number, got '11'"),
    (("annotations", 1, "id"), True, "annotations[1]: 'id': expected a whole number, got True"),
    (("annotations", 1, "id"), 1.5, "annotations[1]: 'id': expected a whole number, got 1.5"),
    (("annotations", 1, "id"), -11, "annotations[1]: 'id': expected a whole number, got -11"),
    (("annotations", 1, "id"), float("inf"), "annotations[1]: 'id': expected a whole number, got inf"),
    (("annotations", 1, "image_id"), None, "annotations[1]: 'image_id': expected a whole number, got None"),
    (("annotations", 1, "image_id"), 7, "an annotation is on image 7, which 'images' does not list"),
    (("images", 1, "id"), 1, "images: expected an id of its own for each of 2 images"),
    (("images", 1, "file_name"), 7, "images[1]: 'file_name': expected a text, got 7"),
    (("images", 1, "file_name"), "", "images[1]: 'file_name': expected a text, got ''"),
    (("images", 1, "file_name"), "/etc/passwd", "'/etc/passwd': expected a file's path inside val2017/"),
    (("images", 1, "file_name"), "../x.jpg", "'../x.jpg': expected a file's path inside val2017/"),
    (("images", 1, "file_name"), "a\0b", "'a\\x00b': expected a file's path inside val2017/"),
    (("images", 1, "file_name"), "\ud800", "'\\ud800': expected a file's path inside val2017/"),
    (("categories", 0, "name"), 5, "categories[0]: 'name': expected a text, got 5"),
]
NUMBERS = [None, "10", True, float("nan"), float("inf"), 10**400, -(10**6), [10]]


@pytest.mark.parametrize(("path", "value", "message"), CHANGES)
@pytest.mark.parametrize("kind", ["person_keypoints", "instances"])
def test_a_value_of_coco_that_is_not_what_its_column_holds(
    tmp_path: Path, kind: str, path: tuple[str | int, ...], value: Any, message: str
) -> None:
    file = damaged_coco(tmp_path, kind, set_in(path, value))
    read = coco.part_patches if kind == "person_keypoints" else coco.object_crops
    assert refusal(lambda: read(tmp_path, "val2017")) == f"{file}: cannot be read ({message})"


def damaged_coco(root: Path, kind: str, change: Callable[[dict[str, Any]], None]) -> Path:
    write_coco(root, kind, "val2017", [row | {"bbox": BOX} for row in PEOPLE])
    file = root / "annotations" / f"{kind}_val2017.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("value", NUMBERS, ids=str)
def test_a_keypoint_that_is_no_number_is_named_and_drops_no_neighbour(tmp_path: Path, value: Any) -> None:
    keypoints = PEOPLE[1]["keypoints"][:]
    keypoints[0] = value
    file = damaged_coco(tmp_path, "person_keypoints", set_in(("annotations", 1, "keypoints"), keypoints))
    assert refusal(lambda: coco.part_patches(tmp_path, "val2017")).startswith(
        f"{file}: cannot be read (annotations[1]: 'keypoints': expected 51 numbers {FAR}, got ["
    )


@pytest.mark.parametrize("value", NUMBERS, ids=str)
def test_a_box_that_is_no_number_is_named(tmp_path: Path, value: Any) -> None:
    file = damaged_coco(tmp_path, "instances", set_in(("annotations", 1, "bbox", 2), value))
    assert refusal(lambda: coco.object_crops(tmp_path)).startswith(
        f"{file}: cannot be read (annotations[1]: 'bbox': expected 4 numbers {FAR}, got [5.0, 5.0, "
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("annotations", 1, "iscrowd"), "0", "annotations[1]: 'iscrowd': expected 0 or 1, got '0')"),
        (("annotations", 1, "iscrowd"), 2, "annotations[1]: 'iscrowd': expected 0 or 1, got 2)"),
        (
            ("annotations", 1, "bbox", 3),
            -9.5,
            "annotations[1]: 'bbox': expected a width and a height of at least 0, got [5.0, ",
        ),
        (
            ("categories", 1, "id"),
            90,
            "categories: expected an id of its own for each of 2 categories)",
        ),
        (("annotations", 1, "category_id"), [], "annotations[1]: 'category_id': expected a whole number, got [])"),
    ],
)
def test_a_column_of_objects_alone(tmp_path: Path, path: tuple[str | int, ...], value: Any, message: str) -> None:
    file = damaged_coco(tmp_path, "instances", set_in(path, value))
    assert refusal(lambda: coco.object_crops(tmp_path)).startswith(f"{file}: cannot be read ({message}")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("annotations", 1, "keypoints", 2),
            3,
            "annotations[1]: 'keypoints': expected visibilities of 0, 1 or 2, got",
        ),
        (("annotations", 1, "keypoints"), [1] * 50, "annotations[1]: 'keypoints': expected 51 numbers"),
        (("categories", 0, "keypoints"), None, "keypoint 1: expected 'nose', got 'nothing'"),
        (("categories", 0, "keypoints", 10), 11, "keypoint 11: expected 'right wrist', got 11"),
    ],
)
def test_a_column_of_people_alone(tmp_path: Path, path: tuple[str | int, ...], value: Any, message: str) -> None:
    file = damaged_coco(tmp_path, "person_keypoints", set_in(path, value))
    assert refusal(lambda: coco.part_patches(tmp_path, "val2017")).startswith(f"{file}: cannot be read ({message}")


@pytest.mark.parametrize("content", ['{"images": ' + "[" * 100_000, "[" * 10_000 + "]" * 10_000])
def test_json_that_is_nested_too_deep_is_named(tmp_path: Path, content: str) -> None:
    file = write_coco(tmp_path, "instances", "val2017", []) / "annotations/instances_val2017.json"
    file.write_text(content)
    assert refusal(lambda: coco.object_crops(tmp_path)) == f"{file}: cannot be read (nested too deep)"


def test_whole_numbers_written_as_floats_are_read_as_what_they_are(tmp_path: Path) -> None:
    whole = coco.object_crops(damaged_coco(tmp_path / "a", "instances", lambda _: None).parents[1])
    file = damaged_coco(tmp_path / "b", "instances", set_in(("annotations", 1, "image_id"), 1.0))
    crops = coco.object_crops(file.parents[1])
    assert [view.box for view in crops.views] == [view.box for view in whole.views]
    assert crops.labels.tolist() == whole.labels.tolist()


def test_objects_that_are_all_too_small_are_called_that_and_not_crowds(tmp_path: Path) -> None:
    def shrink(document: dict[str, Any]) -> None:
        for row in document["annotations"]:
            row["bbox"] = [5.0, 5.0, 20.0, 9.0]

    file = damaged_coco(tmp_path, "instances", shrink)
    assert refusal(lambda: coco.object_crops(tmp_path)) == (
        f"{file}: expected objects with a longer side above 20 and below 1000 pixels, found none among 4 without crowds"
    )


def rows(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "".join(change(text.splitlines(keepends=True)))


def put(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def cut(count: int) -> Callable[[str], str]:
    return rows(lambda lines: lines[:count])


DOUBLED = rows(lambda lines: lines * 2)
LAST_IS_FIRST = rows(lambda lines: [*lines[:-1], lines[0]])
NAMES, SPLIT, PARTS, LOCATIONS = "images.txt", "train_test_split.txt", "parts/parts.txt", "parts/part_locs.txt"
TABLES: list[tuple[str, Callable[[str], str], str, str]] = [
    (NAMES, cut(2), SPLIT, "expected the 2 rows of images.txt, got 3"),
    (NAMES, DOUBLED, NAMES, "line 4: '1' comes again"),
    (NAMES, put("1 199", "one 199"), NAMES, "line 1: expected an image's number, got 'one'"),
    (NAMES, put("2 198", "01 198"), NAMES, "line 2: '01' comes again"),
    (NAMES, put("199.Bird_1/", "../../"), NAMES, "'../../Bird_1_0001.jpg': expected a file's path inside images/"),
    (NAMES, put("199.", "/etc/"), NAMES, "'/etc/Bird_1/Bird_1_0001.jpg': expected a file's path inside images/"),
    (SPLIT, cut(2), SPLIT, "expected the 3 rows of images.txt, got 2"),
    (SPLIT, DOUBLED, SPLIT, "expected the 3 rows of images.txt, got 6"),
    (SPLIT, LAST_IS_FIRST, SPLIT, "row 3: image 1 comes again"),
    (SPLIT, put("3 1", "4 1"), SPLIT, "row 3: image 4 is not in images.txt"),
    (SPLIT, put("2 0", "2 2"), SPLIT, "row 2: split: expected 0 or 1, got 2"),
    (SPLIT, put("2 0", "2 0.5"), SPLIT, "row 2: split: expected 0 or 1, got 0.5"),
    (PARTS, cut(14), LOCATIONS, "expected the 42 rows of 14 parts of each of 3 images, got 45"),
    (PARTS, DOUBLED, PARTS, "line 16: '1' comes again"),
    (LOCATIONS, cut(20), LOCATIONS, "expected the 45 rows of 15 parts of each of 3 images, got 20"),
    (LOCATIONS, DOUBLED, LOCATIONS, "expected the 45 rows of 15 parts of each of 3 images, got 90"),
    (LOCATIONS, LAST_IS_FIRST, LOCATIONS, "row 45: part 1 of image 1 comes again"),
    (LOCATIONS, put("3 15 ", "3 16 "), LOCATIONS, "row 45: part 16 is not in parts.txt"),
    (LOCATIONS, put("99.0 9.0", "nan 9.0"), LOCATIONS, f"row 11: x: expected a number {FAR}, got nan"),
    (LOCATIONS, put("99.0 9.0", "99.0 inf"), LOCATIONS, f"row 11: y: expected a number {FAR}, got inf"),
    (LOCATIONS, put("99.0 9.0", "1e9 9.0"), LOCATIONS, f"row 11: x: expected a number {FAR}, got 1e+09"),
    (LOCATIONS, put("99.0 9.0 1", "99.0 9.0 2"), LOCATIONS, "row 11: visible: expected 0 or 1, got 2"),
    (LOCATIONS, put("1 11 ", "1.5 11 "), LOCATIONS, "row 11: image: expected a whole number, got 1.5"),
]


@pytest.mark.parametrize(("file", "change", "place", "reason"), TABLES)
def test_a_table_of_cub_that_is_not_whole(
    tmp_path: Path, file: str, change: Callable[[str], str], place: str, reason: str
) -> None:
    folder = write_cub200(tmp_path, BIRDS, images=3) / "CUB_200_2011"
    whole = (folder / file).read_text()
    assert change(whole) != whole
    (folder / file).write_text(change(whole))
    for split in cub200.SPLITS:
        message = refusal(lambda split=split: cub200.part_patches(tmp_path, split))
        assert message == f"{folder}/{place}: cannot be read ({reason})"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (list(range(10)), "'label_names'[0]: expected a text, got 0"),
        ([b"airplane", *CIFAR_NAMES[1:]], "'label_names'[0]: expected a text, got b'airplane'"),
        ([*CIFAR_NAMES[:9], ""], "'label_names'[9]: expected a text, got ''"),
        (CIFAR_NAMES[:9], "'label_names': expected the 10 classes of CIFAR-10, got 9"),
        (CIFAR_NAMES * 2, "'label_names': expected the 10 classes of CIFAR-10, got 20"),
        ([*CIFAR_NAMES[:9], "cat"], "'label_names': expected the 10 classes of CIFAR-10, got 'cat' twice"),
        (np.arange(10), "'label_names': expected a list, got ndarray"),
    ],
)
def test_class_names_of_cifar10_that_are_none(tmp_path: Path, names: Any, reason: str) -> None:
    file = write_cifar10(tmp_path) / "cifar-10-batches-py/batches.meta"
    file.write_bytes(pickle.dumps({"label_names": names}, protocol=2))
    assert refusal(lambda: cifar10.images(tmp_path)) == f"{file}: cannot be read ({reason})"


@pytest.mark.parametrize("labels", [[0, 1, True], [0, 1, 2.0], [0, 1, None], [0, 1, "2"], [0, 1, -1]])
def test_labels_of_cifar10_that_are_no_whole_numbers(tmp_path: Path, labels: list[Any]) -> None:
    file = write_cifar10(tmp_path, test={"labels": labels}) / "cifar-10-batches-py/test_batch"
    assert refusal(lambda: cifar10.images(tmp_path)) == (
        f"{file}: cannot be read ('labels': expected integers from 0 to 9)"
    )
