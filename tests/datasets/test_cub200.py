from pathlib import Path

import numpy as np
import pytest

from suite.datasets import cub200
from suite.datasets.files import RESTORE
from suite.datasets.parts import PartPatch, part_views
from suite.datasets.views import render
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import write_cub200

POINTS = [
    (1, 14, 100.0, 90.0, 1),  # tail
    (1, 11, 5.0, 20.0, 1),  # right eye, its box over the left border
    (1, 9, 50.0, 60.0, 0),  # invisible
    (1, 2, 6.0, 21.0, 1),  # beak: near the eye, but not of the four
    (2, 9, 20.0, 20.0, 1),
    (2, 12, 20.0, 80.0, 1),
    (2, 14, 20.0, 120.0, 1),  # exactly 40 px from the leg: both dropped
    (3, 11, 70.0, 70.0, 1),  # alone
]
FILES = {i: f"CUB_200_2011/images/{200 - i}.Bird_{i}/Bird_{i}_000{i}.jpg" for i in (1, 2, 3)}


def test_patches_by_image_then_part(tmp_path: Path) -> None:
    # image 1: 118.00 px from eye to tail, half 29.5 -> 30 (29.5003); image 2: 60 px from wing to leg, half 15
    root = write_cub200(tmp_path, POINTS, images=3)
    assert cub200.part_patches(root) == [
        PartPatch(root / FILES[1], (-25, -10, 35, 50), 0, "right eye", 1),
        PartPatch(root / FILES[1], (70, 60, 130, 120), 3, "tail", 1),
        PartPatch(root / FILES[2], (5, 5, 35, 35), 2, "left wing", 2),
    ]


def test_splits_and_both_places_of_the_folder(tmp_path: Path) -> None:
    root = write_cub200(tmp_path, POINTS, images=3)
    whole, train, test = (cub200.part_patches(root, split) for split in ("all", "train", "test"))
    assert [patch.image_id for patch in train] == [1, 1]
    assert [patch.image_id for patch in test] == [2]
    assert cub200.part_patches(root / "CUB_200_2011") == whole
    with pytest.raises(RequestError, match="unknown split of cub200 'val': expected one of all, train, test"):
        cub200.part_patches(root, "val")


def test_full_boxes_keep_the_same_patches_at_twice_the_side(tmp_path: Path) -> None:
    root = write_cub200(tmp_path, POINTS, images=3)
    half, full = cub200.part_patches(root), cub200.part_patches(root, keypoint_box="full")
    assert [(p.image_id, p.part) for p in half] == [(p.image_id, p.part) for p in full]
    assert [p.box[2] - p.box[0] for p in half] == [60, 60, 30]
    assert [p.box[2] - p.box[0] for p in full] == [118, 118, 60]


def test_views_of_patches_render_with_black_outside(tmp_path: Path) -> None:
    views = part_views(cub200.part_patches(write_cub200(tmp_path, POINTS, images=3)))
    assert views.labels.tolist() == [0, 3, 2]
    assert views.class_names == ("right eye", "part 1", "left wing", "tail")
    _, pixels = next(render(views.views, "square", 60))
    assert not pixels[0, :, :20].any()
    assert pixels[0, 20:, 30:].mean() > 100
    np.testing.assert_array_equal(pixels[0, ..., 0], pixels[0, ..., 2])  # the first image is a grayscale file


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "images.txt",
            "1 199.Bird_1/Bird_1_0001.jpg",
            "1",
            ": cannot be read (line 1: expected an id and a name, got '1')",
        ),
        ("parts/parts.txt", "11 right eye", "11 left eye", ": part 11: expected 'right eye', got 'left eye'"),
        ("train_test_split.txt", "2 0\n", "2 0 0\n", ": cannot be read ("),
        ("parts/part_locs.txt", "100.0", "tail", ": cannot be read (could not convert string 'tail'"),
    ],
)
def test_a_file_that_breaks_its_format(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    path = write_cub200(tmp_path, POINTS, images=3) / "CUB_200_2011" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        cub200.part_patches(tmp_path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert str(caught.value).endswith(RESTORE)
    assert "\n" not in str(caught.value)


def test_no_patch_left_and_no_file(tmp_path: Path) -> None:
    root = write_cub200(tmp_path, POINTS[-1:], images=3)
    with pytest.raises(DatasetError) as caught:
        cub200.part_patches(root)
    assert str(caught.value) == (f"{root}/CUB_200_2011: expected part patches in split 'all', found none: {RESTORE}")
    (root / "CUB_200_2011/parts/part_locs.txt").write_text("")
    with pytest.raises(DatasetError, match=r"part_locs\.txt: cannot be read \(loadtxt: input contained no data"):
        cub200.part_patches(root)
    (root / "CUB_200_2011/images.txt").unlink()
    with pytest.raises(DatasetError, match=r"images\.txt: cannot be read \(No such file or directory\)"):
        cub200.part_patches(root)
