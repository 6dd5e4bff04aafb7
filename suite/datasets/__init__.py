"""The paper's datasets, read from the files as their owners publish them.

One module per native format: `cifar10`, `coco`, `cub200`, `imagenet1k`, `segmentation`. Classification and
retrieval readers end in a `views.ViewSet`, which `views.render` turns into pixels; `parts` holds the rule of
the paper's part patches. Every reader is given `root`, the folder of its dataset inside `--data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suite.datasets.digests import digest
from suite.datasets.files import RESTORE
from suite.errors import DatasetError, unknown

__all__ = ["DATASETS", "Dataset", "dataset_root", "digest", "require"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a report says about a dataset: its title and its home page."""

    title: str
    url: str


_PROCESSED_MASKS = "https://drive.google.com/drive/folders/1JSNzbxc9MBpNIhMRP8Vd0FFk7K5hC65q"

DATASETS = {
    "cifar10": Dataset("CIFAR-10", "https://www.cs.toronto.edu/~kriz/cifar.html"),
    "coco": Dataset("COCO 2017", "https://cocodataset.org"),
    "cub200": Dataset("CUB-200-2011", "https://data.caltech.edu/records/65de6-vp158"),
    "imagenet1k": Dataset("ImageNet-1K", "https://image-net.org/challenges/LSVRC/2012"),
    "ade20k": Dataset("ADE20K", "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"),
    "ade20k_object": Dataset("ADE20K-Object", _PROCESSED_MASKS),
    "ade20k_part": Dataset("ADE20K-Part", _PROCESSED_MASKS),
    "pascal_object": Dataset("Pascal-Object", _PROCESSED_MASKS),
    "pascal_part": Dataset("Pascal-Part", _PROCESSED_MASKS),
    "lip": Dataset("LIP", _PROCESSED_MASKS),
}
"""Every dataset of the paper; the last five as masks that its authors processed (official code, README)."""


def dataset_root(data: Path, name: str) -> Path:
    """The folder of dataset `name` inside the data folder.

    Raises:
        RequestError: there is no such dataset.
    """
    if name not in DATASETS:
        raise unknown("dataset", name, list(DATASETS))
    return data / name


def require(root: Path, name: str) -> Path:
    """Return `root` if it is a folder that holds something.

    Raises:
        DatasetError: the folder of dataset `name` is missing or empty.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
    elif all(path.name.startswith(".") for path in root.iterdir()):
        found = "an empty folder"
    else:
        return root
    raise DatasetError(f"{root}: expected the folder of {DATASETS[name].title}, found {found}: {RESTORE}")
