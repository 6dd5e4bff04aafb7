import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.segmentation import segmentation
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.ade20k_part import rank
from suite.preparation.ade20k_synonyms import SYNONYMS, object_label
from suite.preparation.recipe import Item
from suite.preparation.runner import Prepared, prepare
from tests.support.originals import OBJECT_INFO, Thing, write_ade20k_full

SIZE = (20, 30)
NEW, OLD = "ADE20K_2021_17_01", "ADE20K_2016_07_26"
CAR, BUILDING, PERSON = OBJECT_INFO[21], OBJECT_INFO[2], OBJECT_INFO[13]


def car(left: int, *, knob: bool = True) -> Thing:
    """A car with a wheel and a door that has a handle."""
    handle = (Thing("handle", (8, left + 5, 9, left + 6)),) if knob else ()
    door = Thing("door", (6, left + 4, 12, left + 8), handle)
    return Thing(CAR, (5, left, 15, left + 10), (Thing("wheel", (12, left, 15, left + 3)), door))


def bike(left: int) -> Thing:
    """Its wheel is none of the 59 objects' parts."""
    return Thing("bicycle, bike, wheel, cycle", (5, left, 15, left + 10), (Thing("wheel", (12, left, 15, left + 3)),))


SCENES = {
    "train": {
        "ADE_train_00000001": [car(0), bike(15)],
        "ADE_train_00000002": [car(10, knob=False), Thing("wall", (0, 0, 5, 30))],
        "ADE_train_00000003": [Thing(PERSON, (0, 0, 20, 9), (Thing("head", (0, 0, 5, 9)),)), car(12)],
        "ADE_train_00000004": [Thing("wall", (0, 0, 20, 30))],
    },
    "val": {
        "ADE_val_00000001": [Thing(BUILDING, (0, 0, 5, 30), (Thing("window", (1, 1, 3, 3)),)), car(3)],
        "ADE_val_00000002": [bike(4)],
    },
}


def prepared(tmp_path: Path, scenes: dict = SCENES, release: str = NEW) -> Prepared:
    originals = write_ade20k_full(tmp_path / "originals", release, scenes, SIZE)
    return prepare("ade20k_part", data=tmp_path, originals=originals, workers=1, progress=False)


def table(done: Prepared) -> list[tuple[str, str, int]]:
    rows = list(csv.DictReader((done.root / "classes.tsv").open(), delimiter="\t"))
    assert [int(row["label"]) for row in rows] == list(range(1, len(rows) + 1))
    return [(row["object"], row["part"], int(row["training images"])) for row in rows]


def mask_of(done: Prepared, name: str) -> np.ndarray:
    return np.array(Image.open(done.root / f"ann/{name}.png"))


@pytest.mark.parametrize("release", [NEW, OLD])
def test_pairs_of_object_and_part_are_the_classes(tmp_path: Path, release: str) -> None:
    done = prepared(tmp_path, release=release)
    # counted in training images; the building's window is only in validation, the bicycle is none of the 59
    assert table(done) == [("person", "head", 1), ("car", "door", 3), ("car", "handle", 2), ("car", "wheel", 3)]
    mask = mask_of(done, "train/ADE_train_00000001")
    assert (mask[13, 1], mask[6, 4], mask[8, 5]) == (4, 2, 3), "the handle of the door hides the door"
    assert mask[5, 0] == 0, "a car outside its parts"
    assert mask[13, 16] == 0, "the bicycle's wheel"
    assert done.manifest["release"] == release


@pytest.mark.parametrize("release", [NEW, OLD])
def test_images_that_show_no_class_are_left_out(tmp_path: Path, release: str) -> None:
    done = prepared(tmp_path, release=release)
    records = {split: segmentation("ade20k_part", done.root, split).records for split in ("train", "val")}
    assert [image.stem for image, _ in records["train"]] == [f"ADE_train_0000000{i}" for i in (1, 2, 3)]
    assert [image.stem for image, _ in records["val"]] == ["ADE_val_00000001"]
    assert done.manifest["left_out"] == 2
    assert done.manifest["warnings"] == ["expected 209 (object, part) pairs, found 4"]


def test_both_releases_give_the_same_set(tmp_path: Path) -> None:
    """They number classes differently, and only one says whose part a part is."""
    new, old = (prepared(tmp_path / release, release=release) for release in (NEW, OLD))
    assert new.manifest["digest"] == old.manifest["digest"]
    assert new.manifest["sources_digest"] != old.manifest["sources_digest"]


def test_of_two_wheels_each_goes_to_the_object_below_it(tmp_path: Path) -> None:
    bus = Thing(OBJECT_INFO[81], (5, 15, 15, 25), (Thing("wheel", (12, 15, 15, 18)),))
    scenes = {"train": {"ADE_train_00000001": [car(0, knob=False), bus]}, "val": {}}
    for release in (NEW, OLD):
        done = prepared(tmp_path / release, scenes, release)
        labels = {(whole, part): at for at, (whole, part, _) in enumerate(table(done), 1)}
        mask = mask_of(done, "train/ADE_train_00000001")
        assert (mask[13, 1], mask[13, 16]) == (labels["car", "wheel"], labels["bus", "wheel"])


def test_where_the_release_names_several_objects_only_they_compete(tmp_path: Path) -> None:
    """Cars and buses have wheels here; the car's lies mostly before a person."""
    over = Thing(CAR, (0, 0, 10, 5), (Thing("wheel", (2, 4, 6, 10)),))
    person = Thing(PERSON, (0, 5, 20, 15))
    bus = Thing(OBJECT_INFO[81], (5, 15, 15, 25), (Thing("wheel", (12, 15, 15, 18)),))
    done = prepared(tmp_path, {"train": {"ADE_train_00000001": [over, person, bus]}, "val": {}})
    assert table(done) == [("car", "wheel", 1), ("bus", "wheel", 1)]
    assert mask_of(done, "train/ADE_train_00000001")[3, 8] == 1


def test_a_part_that_sticks_out_is_still_its_objects_and_one_that_touches_another_is_not(tmp_path: Path) -> None:
    """Where only the place can tell: pixels of no object do not count, those of an object outside the 59 do."""
    beside = Thing(CAR, (0, 0, 10, 5), (Thing("mirror", (2, 4, 4, 12)),))  # two of sixteen pixels on the car
    cycle = Thing("bicycle, bike, wheel, cycle", (12, 0, 20, 10), (Thing("wheel", (14, 6, 18, 12)),))
    over = Thing(CAR, (12, 10, 20, 20))
    scenes = {"train": {"ADE_train_00000001": [beside, cycle, over]}, "val": {}}
    for release in (NEW, OLD):
        assert table(prepared(tmp_path / release, scenes, release)) == [("car", "mirror", 1)]


def test_the_release_of_2021_says_whose_part_it_is(tmp_path: Path) -> None:
    """A wheel seen before a person is still the car's."""
    stray = Thing(CAR, (0, 0, 5, 5), (Thing("wheel", (10, 10, 14, 14)),))
    over = Thing(PERSON, (8, 8, 20, 20), (Thing("head", (8, 8, 9, 9)),))
    scenes = {"train": {"ADE_train_00000001": [stray, over]}, "val": {}}
    assert ("car", "wheel", 1) in table(prepared(tmp_path / "a", scenes, NEW))
    assert ("person", "wheel", 1) in table(prepared(tmp_path / "b", scenes, OLD))


def test_a_part_of_a_part_belongs_to_the_outermost_object(tmp_path: Path) -> None:
    """A door is one of the 59 itself, but a building's door with its pane is the building's."""
    pane = Thing("pane", (9, 9, 11, 11))
    house = Thing(BUILDING, (0, 0, 20, 30), (Thing(OBJECT_INFO[15], (5, 5, 15, 15), (pane,)),))
    scenes = {"train": {"ADE_train_00000001": [house]}, "val": {}}
    for release in (NEW, OLD):
        assert table(prepared(tmp_path / release, scenes, release)) == [
            ("building", "door, double door", 1),
            ("building", "pane", 1),
        ]


def test_the_ranking_counts_training_images_and_breaks_ties_by_order() -> None:
    def shown(split: str, *pairs: tuple[int, str]) -> tuple[Item, list[tuple[int, str]]]:
        return Item(split, "a", Path("a.jpg"), ()), list(pairs)

    often, rare, late = (5, "b"), (1, "z"), (7, "a")
    images = [shown("train", often, rare), shown("train", often, late), shown("train", often, often)]
    images += [shown("val", late)] * 9
    assert rank(images, 3) == [(rare, 1), (often, 3), (late, 1)]
    assert rank(images, 2) == [(rare, 1), (often, 3)], "of a tie the earlier object stays"
    assert rank(images[::-1], 2) == rank(images, 2)
    assert rank(images, 1) == [(often, 3)]


def test_a_part_that_is_no_class_does_not_hide_the_one_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.preparation.ade20k_part.rank.__defaults__", (2,))
    done = prepared(tmp_path)
    assert [row[1] for row in table(done)] == ["door", "wheel"]
    assert mask_of(done, "train/ADE_train_00000001")[8, 5] == 1


def test_names_of_the_full_release_are_those_of_scene_parsing() -> None:
    assert [synonyms[0] for synonyms in SYNONYMS] == list(CLASSES["ade20k_object"])
    by_first = {name.split(", ")[0]: name for name in OBJECT_INFO.values()}
    for label, name in enumerate(CLASSES["ade20k_object"], 1):
        assert object_label(by_first[name]) == label
        assert object_label(name) == label


@pytest.mark.parametrize(
    "name",
    ["plant, works, industrial plant", "pot", "can", "screen, CRT screen", "bicycle", "machine", "chest"],
)
def test_other_classes_are_not_taken_for_one_of_the_59(name: str) -> None:
    assert object_label(name) == 0


def test_double_doors_are_doors() -> None:
    assert object_label("double door") == object_label("door, double door") == 8


def folder_of(done_at: Path, release: str) -> Path:
    inner = "images/ADE/training/urban/street" if release == NEW else "images/training/s/street"
    return done_at / "originals/ade20k_full" / release / inner


@pytest.mark.parametrize(
    ("release", "suffix", "content", "message"),
    [
        (NEW, ".json", b'{"annotation": {}}', "not an annotation of ADE20K (KeyError: 'object')"),
        (NEW, ".json", b"", "not an annotation of ADE20K (JSONDecodeError"),
        (OLD, "_seg.png", b"<html>", "expected a whole PNG image, got a file that begins with b'<html>'"),
        (OLD, "_parts_1.png", b"", "expected a whole PNG image, got an empty file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, release: str, suffix: str, content: bytes, message: str) -> None:
    prepared(tmp_path, release=release)
    path = folder_of(tmp_path, release) / f"ADE_train_00000002{suffix}"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=re.escape(f"1 of 6 images cannot be used: {path}: {message}")) as caught:
        prepare("ade20k_part", data=tmp_path, workers=1, progress=False)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "ade20k_part/prepared.json").exists(), "what was there before stays"


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    prepared(tmp_path, release=OLD)
    path = folder_of(tmp_path, OLD) / "ADE_train_00000001_parts_1.png"
    Image.new("RGB", (3, 3)).save(path)
    message = f"1 of 6 images cannot be used: {path}: expected the image's size (20, 30), got (3, 3): restore"
    with pytest.raises(DatasetError, match=re.escape(message)):
        prepare("ade20k_part", data=tmp_path, workers=1, progress=False)


@pytest.mark.parametrize("release", [NEW, OLD])
def test_parts_that_the_release_does_not_name_have_no_label_and_are_counted(tmp_path: Path, release: str) -> None:
    prepared(tmp_path, release=release)
    Image.new("RGB", SIZE[::-1], (250, 1, 1)).save(folder_of(tmp_path, release) / "ADE_train_00000002_parts_1.png")
    done = prepare("ade20k_part", data=tmp_path, workers=1, progress=False)
    assert "1 parts are of classes that the release does not name, and have no label" in done.manifest["warnings"]
    assert ("car", "wheel", 2) in table(done)
    assert not (done.root / "img/train/ADE_train_00000002.jpg").exists()


def test_entries_that_run_in_circles_end(tmp_path: Path) -> None:
    prepared(tmp_path)
    path = folder_of(tmp_path, NEW) / "ADE_train_00000002.json"
    document = json.loads(path.read_bytes().decode("latin-1"))
    for entry in document["annotation"]["object"]:
        entry["parts"]["ispartof"] = entry["id"]
    document["annotation"]["object"][0]["name_ndx"] = 10**15
    path.write_text(json.dumps(document))
    prepare("ade20k_part", data=tmp_path, workers=1, progress=False)


def test_without_a_release_or_its_index_it_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "originals/ade20k_full"
    for make in (lambda: None, lambda: (folder / "elsewhere").mkdir(parents=True)):
        make()
        with pytest.raises(DatasetError, match=r"originals/ade20k_full: expected .* of the full ADE20K, found nothing"):
            prepare("ade20k_part", data=tmp_path, workers=1, progress=False)
    write_ade20k_full(tmp_path / "originals", OLD, SCENES, SIZE)
    (folder / OLD / "index_ade20k.mat").unlink()
    with pytest.raises(DatasetError, match=rf"{OLD}: expected index_ade20k\.mat of the full ADE20K, found nothing"):
        prepare("ade20k_part", data=tmp_path, workers=1, progress=False)
