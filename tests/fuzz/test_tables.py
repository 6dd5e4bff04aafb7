"""Index files, damaged: COCO, CUB-200-2011, CIFAR-10, ImageNet's names."""

import pickle
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest

from suite.datasets import cifar10, coco, cub200
from suite.datasets.parts import PartPatch
from suite.datasets.tables import read_names
from suite.datasets.views import ViewSet
from tests.support import independent_readers as independent
from tests.support.fuzzing import CASES, hold
from tests.support.lookalikes import write_cifar10
from tests.support.mutations import cases, in_bytes, in_json, in_value, in_words


@pytest.fixture
def data(lookalike_data: Path, tmp_path: Path) -> Path:
    (tmp_path / "outside.jpg").write_bytes(b"no reader opens me")
    return Path(
        shutil.copytree(lookalike_data, tmp_path / "data", ignore=shutil.ignore_patterns("ade*", "pascal*", "lip"))
    )


def unlike(expected: object, obtained: object) -> str | None:
    return None if expected == obtained else f"expected {str(expected)[:300]}, got {str(obtained)[:300]}"


def patches(found: list[PartPatch]) -> list[independent.Patch]:
    return [(str(patch.image), patch.box, patch.label) for patch in found]


def crops(found: ViewSet) -> list[independent.Patch]:
    return [(str(view.image), view.box, int(label)) for view, label in zip(found.views, found.labels, strict=True)]  # type: ignore[misc]


def test_people_of_coco(data: Path) -> None:
    file = data / "coco/annotations/person_keypoints_val2017.json"
    images = data / "coco/images/val2017"
    hold(
        file,
        cases(file.read_bytes(), "people", CASES, in_json, in_json, in_bytes),
        lambda: patches(coco.part_patches(data / "coco", "val2017")),
        lambda value, content: unlike(independent.coco_parts(content, images), value),
        folder=data / "coco",
    )


def test_objects_of_coco(data: Path) -> None:
    file = data / "coco/annotations/instances_val2017.json"
    images = data / "coco/images/val2017"
    hold(
        file,
        cases(file.read_bytes(), "objects", CASES, in_json, in_json, in_bytes),
        lambda: crops(coco.object_crops(data / "coco")),
        lambda value, content: unlike(independent.coco_objects(content, images), value),
        folder=data / "coco",
    )


@pytest.mark.parametrize("name", ["images.txt", "train_test_split.txt", "parts/part_locs.txt", "parts/parts.txt"])
def test_tables_of_cub(data: Path, name: str) -> None:
    folder = data / "cub200/CUB_200_2011"
    hold(
        folder / name,
        cases((folder / name).read_bytes(), name, CASES, in_words, in_words, in_bytes),
        lambda: {split: patches(cub200.part_patches(data / "cub200", split)) for split in cub200.SPLITS},
        lambda value, _: unlike({split: independent.cub_parts(folder, split) for split in cub200.SPLITS}, value),
        folder=data / "cub200",
    )


def in_batch(content: bytes, random: Random) -> bytes:
    """Change a value of the pickled dict; what is no pickle any more stays."""
    try:
        batch = independent.unpickled(content)
        return pickle.dumps(in_value(batch, random), protocol=2)
    except Exception:  # bytes that were damaged before
        return content


@pytest.mark.parametrize("python2", [False, True])
def test_batches_of_cifar10(tmp_path: Path, python2: bool) -> None:
    root = write_cifar10(tmp_path / "data/cifar10", python2=python2)
    file = root / "cifar-10-batches-py/test_batch"

    def confirm(value: ViewSet, content: bytes) -> str | None:
        pixels, labels = independent.cifar10(content)
        if not np.array_equal(pixels, np.stack([view.image for view in value.views])):
            return "the pixels are others"
        return unlike(labels, value.labels.tolist())

    hold(
        file,
        cases(file.read_bytes(), f"batch {python2}", CASES, in_batch, in_bytes) if not python2
        else cases(file.read_bytes(), "batch of Python 2", CASES, in_bytes),
        lambda: cifar10.images(root),
        confirm,
        folder=root,
    )  # fmt: skip


def test_class_names_of_cifar10(tmp_path: Path) -> None:
    root = write_cifar10(tmp_path / "data/cifar10")
    file = root / "cifar-10-batches-py/batches.meta"
    hold(
        file,
        cases(file.read_bytes(), "meta", CASES, in_batch, in_bytes),
        lambda: cifar10.images(root).class_names,
        lambda value, content: unlike(tuple(independent.unpickled(content)["label_names"]), value),
        folder=root,
    )


def test_names_of_imagenet(tmp_path: Path) -> None:
    file = tmp_path / "data/LOC_synset_mapping.txt"
    file.parent.mkdir()
    whole = "".join(f"n{i:08d} tench {i}, Tinca tinca\n" for i in range(20)).encode()
    file.write_bytes(whole)

    def confirm(value: dict[str, str], content: bytes) -> str | None:
        rows = [line.split(" ", 1) for line in content.decode().splitlines()]
        return (
            unlike({key: name.strip() for key, name in rows}, value) if len(rows) == len(value) else "a key comes again"
        )

    hold(file, cases(whole, "names", CASES, in_words, in_bytes), lambda: read_names(file), confirm)
