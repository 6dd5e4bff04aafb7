from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.files import RESTORE
from suite.datasets.segmentation import read_mask, segmentation
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import save, truncate, write_segmentation

LIP = np.array([[0, 1, 19], [255, 2, 0]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "images", "masks"),
    [
        ("ade20k", "ADEChallengeData2016/images/validation", "ADEChallengeData2016/annotations/validation"),
        ("ade20k_object", "images/validation", "annotations/validation"),
        ("ade20k_part", "img/val", "ann/val"),
        ("pascal_object", "img/val", "ann/val"),
        ("pascal_part", "img/val", "ann/val"),
        ("lip", "img/val", "ann/val"),
    ],
)
def test_records_of_every_set_are_sorted_pairs(tmp_path: Path, name: str, images: str, masks: str) -> None:
    write_segmentation(tmp_path / images, tmp_path / masks, {"sub/b": LIP % 4, "a_2": LIP % 4, "a_10": LIP % 4})
    dataset = segmentation(name, tmp_path, "val")
    stems = ["a_10", "a_2", "sub/b"]
    assert dataset.records == tuple((tmp_path / images / f"{s}.jpg", tmp_path / masks / f"{s}.png") for s in stems)
    assert len(dataset) == 3
    assert dataset.reduce_zero_label


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("ade20k", 150, {0: "class 1"}),
        ("ade20k_object", 59, {0: "building", 27: "boat", 58: "clock"}),
        ("ade20k_part", 209, {208: "part 209"}),
        ("pascal_object", 16, {0: "aeroplane", 11: "person", 15: "tvmonitor"}),
        ("pascal_part", 193, {0: "aeroplane body", 7: "bicycle fwheel", 192: "tvmonitor screen"}),
        ("lip", 19, {0: "Hat", 13: "Left-arm", 18: "Right-shoe"}),
    ],
)
def test_class_names(name: str, count: int, some: dict[int, str]) -> None:
    assert len(CLASSES[name]) == len(set(CLASSES[name])) == count
    assert {label: CLASSES[name][label] for label in some} == some


@pytest.mark.parametrize("mode", ["L", "P"])
def test_zero_is_ignored_and_labels_move_down(tmp_path: Path, mode: str) -> None:
    write_segmentation(tmp_path / "img/train", tmp_path / "ann/train", {"a": LIP}, mode)
    assert Image.open(tmp_path / "ann/train/a.png").mode == mode
    dataset = segmentation("lip", tmp_path, "train")
    assert dataset.mask(0).tolist() == [[255, 0, 18], [255, 1, 255]]
    assert dataset.mask(0).dtype == np.uint8


def test_without_reduction_zero_is_a_class(tmp_path: Path) -> None:
    write_segmentation(tmp_path, tmp_path, {"a": np.array([[0, 2, 255]], dtype=np.uint8)})
    assert read_mask(tmp_path / "a.png", 3, reduce_zero_label=False).tolist() == [[0, 2, 255]]
    with pytest.raises(DatasetError, match=r"expected labels 0 to 1 and 255, got 2"):
        read_mask(tmp_path / "a.png", 2, reduce_zero_label=False)


def test_the_label_that_the_official_histogram_counts_as_the_last_class_is_refused(tmp_path: Path) -> None:
    write_segmentation(tmp_path, tmp_path, {"a": np.array([[0, 20, 30]], dtype=np.uint8)})
    with pytest.raises(DatasetError) as caught:
        read_mask(tmp_path / "a.png", 19)
    assert str(caught.value) == (
        f"{tmp_path}/a.png: cannot be read (expected labels 0 to 19 and 255, got 20): {RESTORE}"
    )


def test_masks_with_colours_or_cut_short_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "rgb.png", np.zeros((4, 4, 3), dtype=np.uint8))
    with pytest.raises(DatasetError) as caught:
        read_mask(tmp_path / "rgb.png", 19)
    assert str(caught.value) == (
        f"{tmp_path}/rgb.png: cannot be read (expected a mask of one 8-bit channel (L or P), got mode RGB): {RESTORE}"
    )
    write_segmentation(tmp_path, tmp_path, {"a": np.random.default_rng(0).integers(0, 19, (64, 64), dtype=np.uint8)})
    truncate(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: cannot be read \("):
        read_mask(tmp_path / "a.png", 19)


def test_images_that_share_a_mask_are_refused(tmp_path: Path) -> None:
    """`a.jpg` and `a.JPG` where a copy was renamed: an image would count twice."""
    write_segmentation(tmp_path / "img/val", tmp_path / "ann/val", {"a": LIP, "b": LIP})
    (tmp_path / "img/val/b.jpg").rename(tmp_path / "img/val/a.JPG")
    with pytest.raises(DatasetError) as caught:
        segmentation("lip", tmp_path, "val")
    assert str(caught.value) == (
        f"{tmp_path}/ann/val/a.png: expected the mask of one image, got a.JPG and a.jpg: remove the copy"
    )


def test_missing_masks_and_unknown_names(tmp_path: Path) -> None:
    write_segmentation(tmp_path / "img/val", tmp_path / "ann/val", {"a": LIP, "b": LIP})
    (tmp_path / "ann/val/b.png").unlink()
    with pytest.raises(DatasetError) as caught:
        segmentation("lip", tmp_path, "val")
    assert str(caught.value) == f"{tmp_path}/ann/val/b.png: expected the mask of b.jpg, found nothing: {RESTORE}"
    with pytest.raises(DatasetError) as caught:
        segmentation("lip", tmp_path, "train")
    assert str(caught.value) == f"{tmp_path}/img/train: expected images (.jpg), found nothing: {RESTORE}"
    with pytest.raises(RequestError, match="unknown split of lip 'test': expected one of train, val"):
        segmentation("lip", tmp_path, "test")
    with pytest.raises(RequestError, match="unknown segmentation dataset 'voc': expected one of ade20k, "):
        segmentation("voc", tmp_path, "val")


def test_the_digest_follows_images_and_masks(tmp_path: Path) -> None:
    digests = []
    for name, labels in (("one", LIP), ("two", LIP), ("three", LIP[::-1])):
        root = tmp_path / name
        write_segmentation(root / "img/val", root / "ann/val", {"a": np.ascontiguousarray(labels)})
        digests.append(segmentation("lip", root, "val").digest)
    assert digests[0] == digests[1] != digests[2]
