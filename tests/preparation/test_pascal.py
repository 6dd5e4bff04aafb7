import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from suite.datasets.segmentation import segmentation
from suite.errors import DatasetError
from suite.preparation.images import size_of
from suite.preparation.matlab import read_annotation
from suite.preparation.pascal import OBJECTS, PARTS, folded, paint_objects, paint_parts
from suite.preparation.runner import prepare
from tests.support.lookalikes import truncate
from tests.support.originals import region, write_annotation, write_pascal

SIZE = (8, 12)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    return region(SIZE, (top, left, bottom, right))


def prepared(tmp_path: Path, name: str, objects: list) -> np.ndarray:
    """The mask that the objects of one image end in."""
    filler = {"train": {"2008_000001": []}, "val": {"2008_000002": objects}}
    originals = write_pascal(tmp_path / "originals", filler, SIZE)
    done = prepare(name, data=tmp_path / "data", originals=originals, workers=1, progress=False)
    mask = Image.open(done.root / "ann/val/2008_000002.png")
    assert mask.mode == "L"
    return np.array(mask)


def test_a_later_object_hides_an_earlier_one_with_its_parts(tmp_path: Path) -> None:
    dog = ("dog", box(0, 0, 6, 6), [("head", box(0, 0, 4, 6))])
    cat = ("cat", box(2, 2, 8, 8), [("tail", box(6, 6, 8, 8))])
    mask = prepared(tmp_path / "a", "pascal_part", [dog, cat])
    assert mask[0, 0] == PARTS["dog head"]
    assert mask[3, 3] == 0, "the cat's body is no part, but it hides the dog's head"
    assert mask[7, 7] == PARTS["cat tail"]
    mask = prepared(tmp_path / "b", "pascal_object", [dog, cat])
    assert mask[1, 1] == OBJECTS["dog"]
    assert mask[3, 3] == OBJECTS["cat"]
    assert mask[7, 11] == 0


def test_parts_are_painted_in_the_order_of_the_file(tmp_path: Path) -> None:
    head, eye = ("head", box(0, 0, 4, 4)), ("leye", box(1, 1, 2, 2))
    mask = prepared(tmp_path / "a", "pascal_part", [("person", box(0, 0, 8, 8), [head, eye])])
    assert (mask[1, 1], mask[0, 0]) == (PARTS["person leye"], PARTS["person head"])
    mask = prepared(tmp_path / "b", "pascal_part", [("person", box(0, 0, 8, 8), [eye, head])])
    assert mask[1, 1] == PARTS["person head"]


def test_numbered_parts_are_one_class(tmp_path: Path) -> None:
    wheels = [(f"wheel_{at}", box(7, at, 8, at + 1)) for at in (1, 2, 10)]
    mask = prepared(tmp_path, "pascal_part", [("car", box(0, 0, 8, 12), wheels)])
    assert [mask[7, at] for at in (1, 2, 10)] == [PARTS["car wheel"]] * 3
    assert folded("coach_12") == "coach"
    assert folded("llleg") == "llleg"


@pytest.mark.parametrize("name", ["table", "diningtable", "boat", "chair", "sofa"])
def test_objects_without_parts_have_no_label_but_hide_others(tmp_path: Path, name: str) -> None:
    bottle = ("bottle", box(0, 0, 8, 8), [("body", box(0, 0, 8, 8))])
    over = (name, box(4, 4, 8, 8), [])
    for set_, value in (("pascal_part", PARTS["bottle body"]), ("pascal_object", OBJECTS["bottle"])):
        mask = prepared(tmp_path / set_, set_, [bottle, over])
        assert (mask[0, 0], mask[5, 5]) == (value, 0)


def test_an_object_with_an_empty_list_of_parts_is_only_an_object(tmp_path: Path) -> None:
    train = ("train", box(0, 0, 8, 8), [])
    assert prepared(tmp_path / "a", "pascal_part", [train]).max() == 0
    assert prepared(tmp_path / "b", "pascal_object", [train])[0, 0] == OBJECTS["train"]


def test_an_image_without_objects_is_unlabelled(tmp_path: Path) -> None:
    assert prepared(tmp_path, "pascal_part", []).max() == 0


def test_the_same_car_in_both_sets_through_the_reader(tmp_path: Path) -> None:
    """Labels that training sees: one less than the mask's, background ignored."""
    objects = {"train": {"2008_000003": [("car", box(0, 0, 8, 12), [("door_1", box(2, 2, 4, 4))])]}, "val": {}}
    objects["val"] = {"2008_000007": []}
    originals = write_pascal(tmp_path / "originals", objects, SIZE)
    for name, outside in (("pascal_part", 255), ("pascal_object", 5)):
        prepare(name, data=tmp_path, originals=originals, workers=1, progress=False)
        dataset = segmentation(name, tmp_path / name, "train")
        assert [image.name for image, _ in dataset.records] == ["2008_000003.jpg"]
        assert dataset.mask(0)[0, 0] == outside
    assert segmentation("pascal_part", tmp_path / "pascal_part", "train").mask(0)[3, 3] == PARTS["car door"] - 1


def test_painting_agrees_with_a_pixel_by_pixel_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    names = ["bus", "person", "sofa", "tvmonitor"]
    parts = {"bus": ["wheel_1", "door_2"], "person": ["head", "hair"], "sofa": [], "tvmonitor": ["screen"]}
    objects = []
    for name in rng.choice(names, 9):
        mask = (rng.random(SIZE) < 0.5).astype(np.uint8)
        objects.append((str(name), mask, [(p, mask & (rng.random(SIZE) < 0.5)) for p in parts[str(name)]]))
    things = read_annotation(write_annotation(tmp_path / "a.mat", objects))
    for y, x in np.ndindex(SIZE):
        of_object, of_part = 0, 0
        for name, mask, shown in objects:
            if mask[y, x]:
                of_object, of_part = OBJECTS.get(name, 0), 0
                for part, where in shown:
                    if where[y, x]:
                        of_part = PARTS[f"{name} {part.split('_')[0]}"]
        assert paint_objects(things, SIZE)[y, x] == of_object
        assert paint_parts(things, SIZE)[y, x] == of_part


def test_annotations_survive_matlab_in_every_shape(tmp_path: Path) -> None:
    head = ("head", box(0, 0, 2, 2))
    for objects in ([], [("cat", box(0, 0, 8, 12), [])], [("cat", box(0, 0, 8, 12), [head])] * 2):
        things = read_annotation(write_annotation(tmp_path / "a.mat", objects))
        assert [(thing.name, len(thing.parts)) for thing in things] == [(name, len(p)) for name, _, p in objects]
        for thing, (_, mask, _) in zip(things, objects, strict=True):
            assert np.array_equal(thing.mask, mask)
    column = read_annotation(write_annotation(tmp_path / "b.mat", [("cat", np.ones((5, 1), np.uint8), [])]))
    assert column[0].mask.shape == (5, 1), "a mask one pixel wide is no vector"


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([("dragon", box(0, 0, 1, 1), [])], "expected a class of VOC, got 'dragon'"),
        ([("cat", box(0, 0, 1, 1), [("wing", box(0, 0, 1, 1))])], "a part of cat that part2ind.m names, got 'wing'"),
        ([("cat", np.ones((3, 3), np.uint8), [])], "expected masks of the image's size (8, 12), got (3, 3)"),
        ([("cat", box(0, 0, 1, 1), [("head", np.ones((3, 3), np.uint8))])], "expected masks of one size, got "),
    ],
)
def test_annotations_that_do_not_fit_are_named(tmp_path: Path, objects: list, message: str) -> None:
    with pytest.raises(DatasetError, match=re.escape(message)) as caught:
        prepared(tmp_path, "pascal_part", objects)
    assert "2008_000002.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def damaged_files(tmp_path: Path) -> list[Path]:
    objects = [("cat", box(0, 0, 8, 12), [("head", box(0, 0, 2, 2))])]
    whole = write_annotation(tmp_path / "whole.mat", objects).read_bytes()
    files = {
        "empty.mat": b"",
        "html.mat": b"<html>sign in to download</html>" * 20,
        "hdf5.mat": b"\x89HDF\r\n\x1a\n" + bytes(600),
        "cut.mat": whole[: len(whole) // 2],
        "header.mat": whole[:128],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    savemat(tmp_path / "other.mat", {"groundTruth": np.ones(3)})
    savemat(tmp_path / "numbers.mat", {"anno": np.ones((2, 2))})
    savemat(tmp_path / "fields.mat", {"anno": {"objects": {"class": "cat"}}})
    return [*(tmp_path / name for name in files), *(tmp_path / f"{n}.mat" for n in ("other", "numbers", "fields"))]


def test_damaged_annotations_end_in_one_line_that_names_them(tmp_path: Path) -> None:
    for path in [*damaged_files(tmp_path), tmp_path / "missing.mat"]:
        with pytest.raises(DatasetError) as caught:
            read_annotation(path)
        assert str(caught.value).startswith(f"{path}: "), path
        assert "\n" not in str(caught.value), path


def test_annotations_with_flipped_bytes_never_end_otherwise(tmp_path: Path) -> None:
    objects = [("cat", box(0, 0, 8, 12), [("head", box(0, 0, 2, 2))])]
    rng = np.random.default_rng(3)
    path = tmp_path / "a.mat"
    refused = 0
    for compressed in (True, False):
        whole = bytearray(write_annotation(path, objects).read_bytes())
        for _ in range(60):
            content = bytearray(whole)
            content[int(rng.integers(128 if compressed else 124, len(content)))] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            try:
                read_annotation(path)
            except DatasetError:
                refused += 1
    assert refused > 60


def test_a_small_file_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_annotation(tmp_path / "bomb.mat", [("cat", np.zeros((2000, 2000), np.uint8), [])])
    assert path.stat().st_size < 40_000
    monkeypatch.setattr("suite.preparation.matlab.INFLATED_LIMIT", 10**6)
    with pytest.raises(DatasetError, match=r"bomb\.mat: .*inflates beyond 1,000,000 bytes"):
        read_annotation(path)


def test_lists_are_followed_and_must_be_lists(tmp_path: Path) -> None:
    originals = write_pascal(tmp_path / "originals", {"train": {"a": []}, "val": {"b": [], "c": []}}, SIZE)
    done = prepare("pascal_object", data=tmp_path, originals=originals, workers=1, progress=False)
    assert done.manifest["counts"] == {"train": 1, "val": 2}
    assert done.manifest["warnings"] == [
        "train: expected 4,998 images, got 1",
        "val: expected 5,105 images, got 2",
    ]
    path = originals / "voc2010/VOCdevkit/VOC2010/ImageSets/Main/val.txt"
    path.write_text("../../../etc/passwd\n")
    with pytest.raises(DatasetError, match=r"val\.txt: expected the name of an image on each line, got '\.\./"):
        prepare("pascal_object", data=tmp_path, originals=originals, workers=1, progress=False)


def test_a_cut_image_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    originals = write_pascal(tmp_path / "originals", {"train": {"a": []}, "val": {"b": []}}, SIZE)
    path = originals / "voc2010/VOCdevkit/VOC2010/JPEGImages/b.jpg"
    assert size_of(path) == SIZE
    path.write_bytes(truncate(path).read_bytes()[:20])
    with pytest.raises(DatasetError, match=r"1 of 2 images cannot be used: .*b\.jpg: "):
        prepare("pascal_object", data=tmp_path, originals=originals, workers=1, progress=False)
