import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets.segmentation import segmentation
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import DatasetError
from suite.preparation.ade20k_object import SCENE_PARSING_IDS, lookup
from suite.preparation.runner import Prepared, prepare
from tests.support.originals import OBJECT_INFO, write_mask, write_scene_parsing

EVERY_ID = np.arange(152, dtype=np.uint8).reshape(8, 19) % 151


def prepared(data: Path) -> Prepared:
    return prepare("ade20k_object", data=data, workers=1, progress=False)


def test_ids_are_those_of_the_names() -> None:
    by_name = {name.split(", ")[0]: id_ for id_, name in OBJECT_INFO.items()}
    assert [by_name[name] for name in CLASSES["ade20k_object"]] == list(SCENE_PARSING_IDS)


def test_boat_keeps_its_place_out_of_order() -> None:
    assert SCENE_PARSING_IDS[27] == 77
    assert lookup()[[51, 77, 54]].tolist() == [27, 28, 29]
    assert sorted(SCENE_PARSING_IDS) != list(SCENE_PARSING_IDS)


@pytest.mark.parametrize("palette", [False, True])
def test_the_59_are_numbered_and_the_rest_is_unlabelled(tmp_path: Path, palette: bool) -> None:
    masks = {"train": {"ADE_train_00000001": EVERY_ID}, "val": {"ADE_val_00000001": EVERY_ID.T.copy()}}
    done = prepared(write_scene_parsing(tmp_path, masks, palette=palette))
    for split, source in (("train", EVERY_ID), ("val", EVERY_ID.T)):
        dataset = segmentation("ade20k_object", tmp_path / "ade20k_object", split)
        assert [image.name for image, _ in dataset.records] == [f"ADE_{split}_00000001.jpg"]
        for pixel, label in zip(source.ravel().tolist(), dataset.mask(0).ravel().tolist(), strict=True):
            assert label == (SCENE_PARSING_IDS.index(pixel) if pixel in SCENE_PARSING_IDS else 255)
    stored = Image.open(tmp_path / "ade20k_object/ADEChallengeData2016/annotations/training/ADE_train_00000001.png")
    assert stored.mode == "L"
    assert "unconfirmed" in done.manifest["ours"]
    assert done.manifest["warnings"][0] == "train: expected 20,210 images, got 1"


def test_a_release_that_numbers_its_classes_otherwise_is_refused(tmp_path: Path) -> None:
    write_scene_parsing(tmp_path, {"train": {"a": EVERY_ID}, "val": {"b": EVERY_ID}})
    names = tmp_path / "ade20k/ADEChallengeData2016/objectInfo150.txt"
    names.write_text(names.read_text().replace("77\t0.0100\t100\t10\tboat", "77\t0.0100\t100\t10\tship"))
    with pytest.raises(DatasetError) as caught:
        prepared(tmp_path)
    assert str(caught.value) == f"{names}: expected class 77 to be 'boat', got 'ship': restore ADEChallengeData2016"
    names.unlink()
    assert "objectInfo150.txt is missing: class numbers were not checked" in prepared(tmp_path).manifest["warnings"]


@pytest.mark.parametrize(
    ("mask", "mode", "message"),
    [
        (np.full((8, 19), 151, np.uint8), "L", "expected labels 0 to 150, got 151"),
        (np.zeros((4, 4), np.uint8), "L", "expected the image's size (8, 19), got (4, 4)"),
        (np.zeros((8, 19), np.uint8), "RGB", "expected a mask of one 8-bit channel (L or P), got mode RGB"),
        (None, "", "No such file or directory"),
    ],
)
def test_masks_that_do_not_fit_are_named(tmp_path: Path, mask: np.ndarray | None, mode: str, message: str) -> None:
    write_scene_parsing(tmp_path, {"train": {"a": EVERY_ID}, "val": {"b": EVERY_ID}})
    path = tmp_path / "ade20k/ADEChallengeData2016/annotations/validation/b.png"
    path.unlink()
    if mask is not None:
        write_mask(path, mask, mode)
    with pytest.raises(DatasetError, match=re.escape(f"1 of 2 images cannot be used: {path}: {message}: restore")):
        prepared(tmp_path)


@pytest.mark.parametrize("file_format", ["JPEG", "GIF", "BMP"])
def test_a_mask_of_another_format_under_png_is_named(tmp_path: Path, file_format: str) -> None:
    write_scene_parsing(tmp_path, {"train": {"a": EVERY_ID}, "val": {"b": EVERY_ID}})
    path = tmp_path / "ade20k/ADEChallengeData2016/annotations/validation/b.png"
    Image.fromarray(EVERY_ID).save(path, file_format)
    with pytest.raises(
        DatasetError, match=re.escape(f"{path}: expected a whole PNG image, got a file that begins with")
    ):
        prepared(tmp_path)


def test_without_the_release_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        prepared(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/ade20k: expected its folder of ADE20K scene parsing, found nothing: "
        "run `python -m suite fetch data ade20k`, or unpack ADEChallengeData2016.zip there"
    )
