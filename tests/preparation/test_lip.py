import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.segmentation import segmentation
from suite.errors import DatasetError
from suite.preparation.runner import Prepared, prepare
from tests.support.originals import write_lip, write_mask

MASK = (np.arange(60, dtype=np.uint8) % 20).reshape(6, 10)
MASKS = {"train": {"100034_483681": MASK, "77_1": MASK[::-1].copy()}, "val": {"100034_9": MASK}}


def prepared(tmp_path: Path) -> Prepared:
    return prepare("lip", data=tmp_path, workers=1, progress=False)


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_masks_keep_their_labels_however_they_are_stored(tmp_path: Path, mode: str) -> None:
    write_lip(tmp_path / "originals", MASKS, mode)
    done = prepared(tmp_path)
    for split, images in MASKS.items():
        dataset = segmentation("lip", tmp_path / "lip", split)
        assert [image.stem for image, _ in dataset.records] == sorted(images)
        for image, path in dataset.records:
            stored = Image.open(path)
            assert stored.mode == "L"
            assert np.array_equal(stored, images[image.stem]), "left and right stay, and no mirrored label is taken"
    assert done.manifest["counts"] == {"train": 2, "val": 1}
    assert done.manifest["warnings"] == ["train: expected 30,462 images, got 2", "val: expected 10,000 images, got 1"]


def test_the_mirrored_labels_are_ignored(tmp_path: Path) -> None:
    write_lip(tmp_path / "originals", MASKS)
    digest = prepared(tmp_path).manifest["digest"]
    for folder in (tmp_path / "originals").rglob("*_reversed"):
        shutil.rmtree(folder)
    (tmp_path / "again").mkdir()
    (tmp_path / "originals").rename(tmp_path / "again/originals")
    assert prepared(tmp_path / "again").manifest["digest"] == digest


def test_what_a_mac_leaves_in_an_archive_is_neither_folder_nor_image(tmp_path: Path) -> None:
    home = write_lip(tmp_path / "originals", MASKS) / "lip"
    shutil.copytree(home / "TrainVal_images", home / "__MACOSX/TrainVal_images")
    next(home.glob("*/val_images")).joinpath("._100034_9.jpg").touch()
    assert prepared(tmp_path).manifest["counts"] == {"train": 2, "val": 1}


def test_a_list_that_differs_from_its_folder_is_mentioned(tmp_path: Path) -> None:
    write_lip(tmp_path / "originals", MASKS)
    (tmp_path / "originals/lip/TrainVal_images/val_id.txt").write_text("100034_9\n100034_10\n")
    assert (
        "val_id.txt and val_images differ in 1 images: the folder's are taken"
        in prepared(tmp_path).manifest["warnings"]
    )


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((6, 10), 20, np.uint8), "expected labels 0 to 19, got 20"),
        (MASK[:3].copy(), "expected the image's size (6, 10), got (3, 10)"),
        (np.dstack([MASK, MASK, MASK + 1]), "expected gray pixels, got colours"),
    ],
)
def test_masks_that_do_not_fit_are_named(tmp_path: Path, mask: np.ndarray, message: str) -> None:
    write_lip(tmp_path / "originals", MASKS)
    path = next((tmp_path / "originals").rglob("val_segmentations")) / "100034_9.png"
    write_mask(path, mask)
    with pytest.raises(DatasetError, match=re.escape(f"1 of 3 images cannot be used: {path}: {message}: restore")):
        prepared(tmp_path)


def test_folders_missing_or_doubled_are_named(tmp_path: Path) -> None:
    home = write_lip(tmp_path / "originals", MASKS) / "lip"
    twin = home / "copy/val_images"
    shutil.copytree(home / "TrainVal_images/val_images", twin)
    with pytest.raises(DatasetError, match=r"lip: expected one folder val_images, got .*: move one away"):
        prepared(tmp_path)
    shutil.rmtree(home / "copy")
    shutil.rmtree(home / "TrainVal_parsing_annotations")
    with pytest.raises(DatasetError, match=r"lip: expected the folder train_segmentations of LIP, found nothing: get "):
        prepared(tmp_path)
