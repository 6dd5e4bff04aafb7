"""What the real datasets have in store for a reader, where no other file of tests has it.

The table of docs/evidence/pitfalls.md names the test of each.
"""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.core.paths import DOCS, ROOT
from suite.datasets import coco, cub200
from suite.datasets.files import images_under
from suite.datasets.pixels import read_rgb
from suite.datasets.segmentation import read_mask
from suite.errors import DatasetError
from tests.support.lookalikes import broken_exif, noise, person, save, write_coco, write_cub200

PAGE = DOCS / "evidence" / "pitfalls.md"


@pytest.mark.parametrize("mode", ["1", "LA", "I;16", "RGBA"])
def test_masks_of_other_modes_are_refused(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (6, 4), 1)
    path = tmp_path / "mask.png"
    image.convert(mode).save(path) if mode != "I;16" else Image.fromarray(np.ones((4, 6), np.uint16)).save(path)
    with pytest.raises(DatasetError, match=r"expected a mask of one 8-bit channel \(L or P\), got mode"):
        read_mask(path, 19)


def test_gray_masks_saved_in_colour_are_refused_though_their_channels_agree(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4), (3, 3, 3)).save(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match="got mode RGB"):
        read_mask(tmp_path / "mask.png", 19)


@pytest.mark.parametrize("mode", ["1", "LA", "I;16"])
def test_rare_modes_of_images_become_rgb(tmp_path: Path, mode: str) -> None:
    pixels = np.full((8, 12), 200, np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(pixels)
    (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "x.png")
    assert read_rgb(tmp_path / "x.png").mode == "RGB"


def test_broken_exif_changes_no_pixel(tmp_path: Path) -> None:
    whole = np.asarray(read_rgb(save(tmp_path / "x.jpg", noise(20, 30))))
    np.testing.assert_array_equal(read_rgb(broken_exif(tmp_path / "x.jpg")), whole)


def test_an_alpha_channel_is_dropped_not_blended(tmp_path: Path) -> None:
    pixels = np.dstack([noise(8, 12), np.zeros((8, 12), np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), pixels[..., :3])


def test_images_without_keypoints_and_people_without_any_give_no_patch(tmp_path: Path) -> None:
    people = [
        person(3, 1),  # nothing labelled: its zeros are no points at the corner
        person(1, 2, nose=(20, 20, 2), right_wrist=(100, 20, 2)),
        person(1, 3),
    ]
    root = write_coco(tmp_path, "person_keypoints", "val2017", people, images=4)
    assert [(patch.image_id, patch.part) for patch in coco.part_patches(root, "val2017")] == [
        (1, "nose"),
        (1, "right wrist"),
    ]


def test_a_keypoint_of_visibility_1_neither_counts_nor_sizes_its_neighbours(tmp_path: Path) -> None:
    seen = {"nose": (20, 20, 2), "right_wrist": (20, 110, 2)}
    hidden = person(1, 1, **seen, left_ankle=(20, 70, 1))
    root = write_coco(tmp_path, "person_keypoints", "val2017", [hidden])
    # 90 px from nose to wrist: half 22 (22.5 to even); the hidden ankle is 40 px from the wrist
    assert [(p.part, p.box[2] - p.box[0]) for p in coco.part_patches(root, "val2017")] == [
        ("nose", 44),
        ("right wrist", 44),
    ]


def test_one_visible_point_of_three_is_not_enough(tmp_path: Path) -> None:
    one = person(1, 2, nose=(100, 20, 2), right_wrist=(100, 80, 1), left_shoulder=(60, 20, 2))
    root = write_coco(
        tmp_path, "person_keypoints", "val2017", [one, person(2, 1, nose=(5, 5, 2), left_ankle=(5, 99, 2))]
    )
    assert {patch.image_id for patch in coco.part_patches(root, "val2017")} == {2}


def test_annotations_that_share_an_id_are_refused(tmp_path: Path) -> None:
    rows = [person(1, 7, nose=(20, 20, 2), right_wrist=(100, 20, 2))] * 2
    with pytest.raises(DatasetError, match="expected an id of its own for each of 2 annotations"):
        coco.part_patches(write_coco(tmp_path, "person_keypoints", "val2017", rows), "val2017")


def test_an_annotation_without_its_image_or_category_is_refused(tmp_path: Path) -> None:
    row = person(1, 7, nose=(20, 20, 2), right_wrist=(100, 20, 2))
    del row["image_id"]
    with pytest.raises(DatasetError, match=r"annotations\[0\]: missing 'image_id', got \['category"):
        coco.part_patches(write_coco(tmp_path, "person_keypoints", "val2017", [row]), "val2017")


def test_two_ids_that_floats_of_32_bits_would_merge(tmp_path: Path) -> None:
    ids = (900_100_000_000, 900_100_000_050)  # 50 apart; the gap of 32-bit floats is 65,536 there
    people = [person(1, i, nose=(20, 20 + k, 2), right_wrist=(20, 110, 2)) for k, i in enumerate(ids)]
    root = write_coco(tmp_path, "person_keypoints", "val2017", people)
    # wrist to the other's wrist: sqrt(0 + 50**2) = 50, half 12.5 -> 12; in 32 bits 0, which does not count
    assert [p.box[2] - p.box[0] for p in coco.part_patches(root, "val2017") if p.part == "right wrist"] == [24, 24]


def test_images_of_coco_come_in_the_order_of_its_file_whatever_the_ids(tmp_path: Path) -> None:
    people = [person(i, 10 - i, nose=(20, 20, 2), right_wrist=(20, 80, 2)) for i in (2, 1)]
    root = write_coco(tmp_path, "person_keypoints", "val2017", [*people, people[0] | {"id": 99}])
    assert [p.image_id for p in coco.part_patches(root, "val2017", distance="person")] == [2, 2, 2, 2, 1, 1]


def test_cub_is_in_the_order_of_its_ids_not_of_its_names_nor_of_its_rows(tmp_path: Path) -> None:
    points = [(i, part, x, 50.0, 1) for i in (1, 2) for part, x in ((9, 20.0), (12, 110.0))]
    root = write_cub200(tmp_path, points)
    locations = root / "CUB_200_2011/parts/part_locs.txt"
    locations.write_text("".join(reversed(locations.read_text().splitlines(keepends=True))))
    patches = [(patch.image_id, patch.part) for patch in cub200.part_patches(root)]
    assert patches == [(1, "left wing"), (1, "right leg"), (2, "left wing"), (2, "right leg")]


def test_hidden_files_beside_images_are_not_images(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", noise(4, 4))
    (tmp_path / "._a.jpg").write_bytes(b"what macOS leaves in archives")
    (tmp_path / ".thumbs").mkdir()
    save(tmp_path / ".thumbs/b.jpg", noise(4, 4))
    assert [path.name for path in images_under(tmp_path)] == ["a.jpg"]


def test_an_index_reader_leaves_the_garbage_collector_and_the_terminal_as_they_were(tmp_path: Path, capsys) -> None:
    import gc

    root = write_coco(tmp_path, "person_keypoints", "val2017", [person(1, 1, nose=(9, 9, 2), left_ankle=(9, 99, 2))])
    coco.part_patches(root, "val2017")
    assert gc.isenabled()
    path = root / "annotations/person_keypoints_val2017.json"
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(DatasetError):
        coco.part_patches(root, "val2017")
    assert gc.isenabled()
    assert capsys.readouterr().out == "", "pycocotools reports its progress"


def test_every_pitfall_of_the_page_has_the_test_that_it_names() -> None:
    rows = re.findall(r"^\| (.+) \| `(tests/\w+/test_\w+\.py)::(test_\w+)` \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(rows) > 40
    for pitfall, file, name in rows:
        functions = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
        assert name in functions, f"{pitfall}: {file}::{name}"


def test_every_line_of_the_table_of_pitfalls_names_a_test() -> None:
    table = PAGE.read_text().split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| pitfall")]
    assert all(re.search(r"`tests/\w+/test_\w+\.py::test_\w+` \|$", row) for row in rows), rows
