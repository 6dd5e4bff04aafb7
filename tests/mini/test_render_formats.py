"""The drawn files have the formats of the real ones: parsed here from scratch, then read by `suite.datasets`."""

import json
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from suite.datasets import cifar10 as cifar10_reader
from suite.datasets import coco as coco_reader
from suite.datasets import cub200 as cub200_reader
from suite.datasets import imagenet1k as imagenet1k_reader
from suite.datasets.segmentation_classes import CLASSES
from suite.mini.datasets import cifar10, labels, pickles
from suite.mini.datasets.segmentation import SETS
from suite.mini.digests import SAMPLE
from suite.mini.render import render


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small share of all data."""
    folder = tmp_path_factory.mktemp("data")
    render(folder, share=SAMPLE, workers=2, progress=False)
    return folder


def unpickled(path: Path) -> dict[bytes, Any]:
    return pickle.loads(path.read_bytes(), encoding="bytes")


def test_cifar10_batches_are_python_2_pickles(data: Path) -> None:
    folder = data / "cifar10" / "cifar-10-batches-py"
    meta = unpickled(folder / "batches.meta")
    assert meta[b"num_vis"] == 3072
    assert meta[b"label_names"][8:] == [b"ship", b"truck"]
    for name, count, title in [
        ("data_batch_5", 2, b"training batch 5 of 5"),
        ("test_batch", 20, b"testing batch 1 of 1"),
    ]:
        batch = unpickled(folder / name)
        assert list(batch) == [b"batch_label", b"labels", b"data", b"filenames"]
        assert batch[b"batch_label"] == title
        assert batch[b"data"].shape == (count, 3072)
        assert batch[b"data"].dtype == np.uint8
        assert len(batch[b"labels"]) == len(batch[b"filenames"]) == count
        assert set(batch[b"labels"]) <= set(range(10))


def test_a_cifar10_row_holds_red_then_green_then_blue(data: Path) -> None:
    batch = unpickled(data / "cifar10" / "cifar-10-batches-py" / "data_batch_1")
    image, label = cifar10._image(1)
    assert batch[b"labels"][1] == label
    assert np.array_equal(batch[b"data"][1][1024:2048].reshape(32, 32), image[..., 1])


def test_python_2_pickles_hold_what_went_in() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    content = {"data": array, "text": "ab", "number": -3, "list": [1, 2], "names": ["x"]}
    read = pickle.loads(pickles.dumps(content), encoding="latin1")
    assert np.array_equal(read.pop("data"), array)
    assert read == {"text": "ab", "number": -3, "list": [1, 2], "names": ["x"]}


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_coco_instances(data: Path, split: str) -> None:
    root = data / "coco"
    content = json.loads((root / "annotations" / f"instances_{split}.json").read_text())
    images = {entry["id"]: entry for entry in content["images"]}
    assert set(content) == {"info", "licenses", "images", "annotations", "categories"}
    for number, entry in images.items():
        assert entry["file_name"] == f"{number:012d}.jpg"
        with Image.open(root / "images" / split / entry["file_name"]) as image:
            assert image.format == "JPEG"
            assert image.size == (entry["width"], entry["height"])
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert names[1] == "person"
    assert names[16] == "bird"
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert len(set(ids)) == len(ids)
    for annotation in content["annotations"]:
        entry = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        assert annotation["category_id"] in names
        assert 0 <= x < x + w <= entry["width"]
        assert 0 <= y < y + h <= entry["height"]
        assert 0 < annotation["area"] <= w * h
        assert "keypoints" not in annotation


def test_coco_key_points(data: Path) -> None:
    content = json.loads((data / "coco" / "annotations" / "person_keypoints_train2017.json").read_text())
    instances = json.loads((data / "coco" / "annotations" / "instances_train2017.json").read_text())
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in content["images"]}
    (person,) = content["categories"]
    assert content["images"] == instances["images"]
    assert person["keypoints"][0::10] == ["nose", "right_wrist"]
    assert len(person["keypoints"]) == 17
    seen = Counter()
    for annotation in content["annotations"]:
        points = np.array(annotation["keypoints"]).reshape(17, 3)
        width, height = sizes[annotation["image_id"]]
        assert annotation["category_id"] == 1
        assert annotation["num_keypoints"] == (points[:, 2] > 0).sum()
        assert not points[points[:, 2] == 0].any()
        assert (points[:, :2] < (width, height)).all()
        seen.update(points[:, 2].tolist())
    assert seen[2] > seen[1] > 0


def test_coco_has_crowds_and_grayscale_images(data: Path) -> None:
    content = json.loads((data / "coco" / "annotations" / "person_keypoints_train2017.json").read_text())
    (crowd,) = (annotation for annotation in content["annotations"] if annotation["iscrowd"])
    height, width = crowd["segmentation"]["size"]
    runs = np.array(crowd["segmentation"]["counts"])
    mask = np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T
    rows, columns = np.nonzero(mask)
    assert crowd["id"] > 9 * 10**11
    assert crowd["area"] == mask.sum()
    assert crowd["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert crowd["num_keypoints"] == sum(crowd["keypoints"]) == 0
    modes = Counter(Image.open(path).mode for path in (data / "coco" / "images" / "train2017").iterdir())
    assert modes == {"RGB": 11, "L": 1}


def table(path: Path) -> list[list[str]]:
    return [line.split(" ") for line in path.read_text().splitlines()]


def test_cub200_tables(data: Path) -> None:
    folder = data / "cub200" / "CUB_200_2011"
    paths = [row[1] for row in table(folder / "images.txt")]
    classes = [row[1] for row in table(folder / "classes.txt")]
    assert len(paths) == 20
    assert paths != sorted(paths)
    assert classes[0] == "001.Mini_Duck"
    ids = [str(i) for i in range(1, 21)]
    for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt"):
        assert [row[0] for row in table(folder / name)] == ids
    for path, (_, number) in zip(paths, table(folder / "image_class_labels.txt"), strict=True):
        assert path.startswith(classes[int(number) - 1] + "/")
    assert Counter(row[1] for row in table(folder / "train_test_split.txt")) == {"0": 10, "1": 10}
    for path, row in zip(paths, table(folder / "bounding_boxes.txt"), strict=True):
        x, y, w, h = (float(value) for value in row[1:])
        with Image.open(folder / "images" / path) as image:
            assert x + w <= image.width
            assert y + h <= image.height


def test_cub200_parts(data: Path) -> None:
    folder = data / "cub200" / "CUB_200_2011"
    text = (folder / "parts" / "part_locs.txt").read_text()
    assert re.fullmatch(r"(\d+ \d+ (\d+\.0 \d+\.0 1|0\.0 0\.0 0)\n)*", text)
    parts = dict(line.split(" ", 1) for line in (folder / "parts" / "parts.txt").read_text().splitlines())
    assert (parts["9"], parts["11"], parts["15"]) == ("left wing", "right eye", "throat")
    rows = table(folder / "parts" / "part_locs.txt")
    assert [(int(row[0]), int(row[1])) for row in rows] == [(i, p) for i in range(1, 21) for p in range(1, 16)]
    for i in range(20):
        box = [float(value) for value in table(folder / "bounding_boxes.txt")[i][1:]]
        for row in rows[15 * i : 15 * i + 15]:
            x, y = float(row[2]), float(row[3])
            if row[4] == "1":
                assert box[0] <= x < box[0] + box[2]
                assert box[1] <= y < box[1] + box[3]


def test_imagenet_folders_and_awkward_files(data: Path) -> None:
    root = data / "imagenet1k"
    wnids = [line.split(" ", 1)[0] for line in (root / "LOC_synset_mapping.txt").read_text().splitlines()]
    assert wnids == sorted(wnids)
    formats = Counter()
    for split, count, pattern in [("train", 2, r"n\d{8}_\d+\.JPEG"), ("val", 1, r"ILSVRC2012_val_\d{8}\.JPEG")]:
        assert sorted(path.name for path in (root / split).iterdir()) == wnids
        for path in (root / split).glob("*/*"):
            assert re.fullmatch(pattern, path.name)
            with Image.open(path) as image:
                formats[image.format, image.mode] += 1
        assert len(list((root / split).glob("*/*"))) == count * len(wnids)
    assert formats == {("JPEG", "RGB"): 57, ("PNG", "RGB"): 1, ("JPEG", "CMYK"): 1, ("JPEG", "L"): 1}


def pairs(data: Path, name: str) -> list[tuple[Path, Path]]:
    """Images and masks of a segmentation set, both splits."""
    root = data / name
    folders = {"img": "ann"}
    if name in ("ade20k", "ade20k_object"):
        root, folders = root / "ADEChallengeData2016", {"images": "annotations"}
    ((images, masks),) = folders.items()
    image_paths = sorted((root / images).rglob("*.jpg"))
    return [(path, root / masks / path.relative_to(root / images).with_suffix(".png")) for path in image_paths]


@pytest.mark.parametrize("name", SETS)
def test_masks_fit_their_images_and_hold_legal_labels(data: Path, name: str) -> None:
    path_pairs = pairs(data, name)
    assert {path.parent.name for path, _ in path_pairs} in ({"train", "val"}, {"training", "validation"})
    for image_path, mask_path in path_pairs:
        with Image.open(image_path) as image, Image.open(mask_path) as mask:
            assert mask.mode == "L"
            assert mask.size == image.size
            values = set(np.unique(np.asarray(mask)).tolist())
        assert 0 in values
        assert 0 < max(values) <= len(CLASSES[name])


@pytest.mark.parametrize("family", [("ade20k", "ade20k_object", "ade20k_part"), ("pascal_object", "pascal_part")])
def test_label_sets_of_a_family_describe_the_same_images(data: Path, family: tuple[str, ...]) -> None:
    for same in zip(*(pairs(data, name) for name in family), strict=True):
        assert len({image.read_bytes() for image, _ in same}) == 1
        whole, *_, part = (np.asarray(Image.open(mask)) > 0 for _, mask in same)
        assert not (part & ~whole).any()


@pytest.mark.parametrize(
    ("dataset", "name", "label", "expected"),
    [
        ("pascal_part", "airplane", "body", "aeroplane body"),
        ("pascal_part", "airplane", "window", "aeroplane body"),
        ("pascal_part", "finch", "left wing", "bird lwing"),
        ("pascal_part", "finch", "beak", "bird beak"),
        ("pascal_part", "bus", "right side", "bus rightside"),
        ("pascal_part", "car", "light", "car headlight"),
        ("pascal_part", "cat", "snout", "cat nose"),
        ("pascal_part", "cow", "right horn", "cow rhorn"),
        ("pascal_part", "dog", "snout", "dog muzzle"),
        ("pascal_part", "dog", "left back leg", "dog lbleg"),
        ("pascal_part", "horse", "right front leg", "horse rfuleg"),
        ("pascal_part", "person", "left lower arm", "person llarm"),
        ("pascal_part", "person", "right foot", "person rfoot"),
        ("pascal_object", "finch", "body", "bird"),
        ("pascal_object", "person", "body", "person"),
        ("ade20k_object", "boat", "body", "boat"),
        ("ade20k_object", "person", "body", "person"),
        ("ade20k_object", "airplane", "body", "airplane"),
        ("lip", "person", "hair", "Hair"),
        ("lip", "person", "body", "UpperClothes"),
        ("lip", "person", "left eye", "Face"),
        ("lip", "person", "right hand", "Right-arm"),
        ("lip", "person", "left lower leg", "Left-leg"),
        ("lip", "person", "right foot", "Right-shoe"),
    ],
)
def test_labels_mean_what_the_sets_say(dataset: str, name: str, label: str, expected: str) -> None:
    assert CLASSES[dataset][getattr(labels, dataset)(name, label) - 1] == expected


@pytest.mark.parametrize(
    ("dataset", "name", "label"),
    [("pascal_part", "car", "left tail"), ("ade20k_object", "dog", "body"), ("ade20k_part", "dog", "body")],
)
def test_what_a_set_does_not_name_is_unlabelled(dataset: str, name: str, label: str) -> None:
    assert getattr(labels, dataset)(name, label) == 0


def test_the_readers_take_the_drawn_files(data: Path) -> None:
    assert len(cifar10_reader.images(data / "cifar10", "test").labels) == 20
    assert len(imagenet1k_reader.images(data / "imagenet1k", "val").labels) == 20
    assert len(cub200_reader.part_patches(data / "cub200", "all")) > 30
    assert len(coco_reader.part_patches(data / "coco", "train2017")) > 10
    assert len(coco_reader.object_crops(data / "coco", "val2017").labels) > 8
