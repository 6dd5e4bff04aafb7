from pathlib import Path

import numpy as np
import pytest

from suite.datasets import imagenet1k
from suite.datasets.files import RESTORE
from suite.datasets.views import render
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import noise, save, write_imagenet


def test_labels_are_ranks_of_wnids_and_files_are_sorted(tmp_path: Path) -> None:
    dataset = imagenet1k.images(write_imagenet(tmp_path), "val")
    assert [view.image.name for view in dataset.views] == [  # type: ignore[union-attr]
        f"ILSVRC2012_val_0000000{i}.JPEG" for i in (1, 2, 3)
    ]
    assert dataset.labels.tolist() == [0, 0, 1]
    assert dataset.class_names == ("n01440764", "n02105855")


def test_gray_cmyk_broken_exif_and_a_png_in_disguise_render(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    views = [*imagenet1k.images(root, "val").views, *imagenet1k.images(root, "train").views]
    _, pixels = next(render(views, "imagenet_eval", 32))
    assert pixels.shape == (5, 32, 32, 3)
    assert (pixels.std(axis=(1, 2, 3)) > 10).all()


def test_names_from_the_mapping_file(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    (root / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\nn02105855 Shetland sheepdog\n")
    assert imagenet1k.images(root).class_names == ("tench, Tinca tinca", "Shetland sheepdog")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = write_imagenet(tmp_path)
    with pytest.raises(RequestError, match="unknown split of imagenet1k 'test': expected one of train, val"):
        imagenet1k.images(root, "test")
    (root / "train/n09999999").mkdir()
    with pytest.raises(DatasetError) as caught:
        imagenet1k.images(root, "val")
    assert str(caught.value) == (
        f"{root}: expected the same classes in train and val, got n09999999 in one only: {RESTORE}"
    )
    (root / "val/n09999999").mkdir()
    with pytest.raises(DatasetError) as caught:
        imagenet1k.images(root, "val")
    assert str(caught.value) == (
        f"{root}/val/n09999999: expected images (.jpg, .jpeg, .png), found an empty folder: {RESTORE}"
    )


def test_the_flat_folder_of_the_official_archive_is_not_taken_for_classes(tmp_path: Path) -> None:
    save(tmp_path / "val/ILSVRC2012_val_00000001.JPEG", np.asarray(noise(8, 8)))
    with pytest.raises(DatasetError) as caught:
        imagenet1k.images(tmp_path, "val")
    assert str(caught.value) == (f"{tmp_path}/val: expected a folder per class (n01440764, ...), found none: {RESTORE}")
