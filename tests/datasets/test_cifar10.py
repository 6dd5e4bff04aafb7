import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.datasets import cifar10
from suite.datasets.files import RESTORE
from suite.datasets.views import render
from suite.errors import DatasetError, RequestError
from tests.support.lookalikes import CIFAR_NAMES, truncate, write_cifar10


@pytest.mark.parametrize("python2", [False, True])
@pytest.mark.parametrize(("split", "seeds"), [("test", [0]), ("train", [1, 2, 3, 4, 5])])
def test_batches_of_any_length(tmp_path: Path, python2: bool, split: str, seeds: list[int]) -> None:
    dataset = cifar10.images(write_cifar10(tmp_path, rows=4, python2=python2), split)
    assert dataset.labels.tolist() == [(seed + i) % 10 for seed in seeds for i in range(4)]
    assert dataset.class_names == tuple(CIFAR_NAMES)
    raw = np.random.default_rng(seeds[-1]).integers(0, 256, (4, 3072), dtype=np.uint8)
    _, pixels = next(render(dataset.views, "square", 32))
    for y, x, channel in ((0, 0, 0), (5, 31, 1), (31, 7, 2)):
        assert pixels[-1][y, x, channel] == raw[-1, channel * 1024 + y * 32 + x]


def test_the_folder_itself_is_accepted(tmp_path: Path) -> None:
    assert len(cifar10.images(write_cifar10(tmp_path) / "cifar-10-batches-py")) == 3


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was_here"
    path = write_cifar10(tmp_path) / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(pickle.dumps({"data": Malicious(marker), "labels": [0]}))
    with pytest.raises(DatasetError) as caught:
        cifar10.images(tmp_path)
    assert str(caught.value) == (
        f"{path}: refers to posix.mkdir, expected only arrays, lists and strings: "
        f"the file may be malicious, so do not use it; {RESTORE}"
    )
    assert not marker.exists()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"data": np.zeros((3, 3072))}, "'data': expected uint8 (3, 3072), a row per label, got float64 (3, 3072)"),
        (
            {"data": np.zeros((2, 3072), np.uint8)},
            "'data': expected uint8 (3, 3072), a row per label, got uint8 (2, 3072)",
        ),
        ({"data": None}, "'data': expected uint8 (3, 3072), a row per label, got NoneType"),
        ({"labels": [0, 1, 10]}, "'labels': expected integers from 0 to 9"),
        ({"labels": "012"}, "'labels': expected a list, got str"),
    ],
)
def test_a_batch_that_breaks_its_format(tmp_path: Path, entries: dict[str, Any], reason: str) -> None:
    path = write_cifar10(tmp_path, test=entries) / "cifar-10-batches-py" / "test_batch"
    with pytest.raises(DatasetError) as caught:
        cifar10.images(tmp_path)
    assert str(caught.value) == f"{path}: cannot be read ({reason}): {RESTORE}"


def test_a_truncated_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    folder = write_cifar10(tmp_path) / "cifar-10-batches-py"
    truncate(folder / "test_batch")
    with pytest.raises(DatasetError, match=r"test_batch: cannot be read \(.*truncated.*\): restore it"):
        cifar10.images(tmp_path)
    (folder / "test_batch").write_bytes(pickle.dumps([1]))
    with pytest.raises(DatasetError, match=r"test_batch: cannot be read \(expected a pickled dict, got list\)"):
        cifar10.images(tmp_path)
    (folder / "data_batch_4").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_4: cannot be read \(No such file or directory\)"):
        cifar10.images(tmp_path, "train")


def test_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown split of cifar10 'val': expected one of train, test"):
        cifar10.images(tmp_path, "val")
