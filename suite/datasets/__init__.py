"""The paper's datasets, read from the files as their owners publish them.

One module per native format: `cifar10`, `coco`, `cub200`, `imagenet1k`, `segmentation`. Classification and
retrieval readers end in a `views.ViewSet`, which `views.render` turns into pixels; `parts` holds the rule of
the paper's part patches. Every reader is given `root`, the folder of its dataset inside `--data`.
"""

from __future__ import annotations

from pathlib import Path

from suite.core.listing import entries
from suite.datasets.digests import digest
from suite.datasets.files import RESTORE
from suite.errors import DatasetError, unknown
from suite.registry import DATASETS

__all__ = ["DATASETS", "dataset_root", "digest", "require"]


def dataset_root(data: Path, name: str) -> Path:
    """Return the folder of dataset `name` inside the data folder.

    Raises:
        RequestError: there is no such dataset.
    """
    if name not in DATASETS:
        raise unknown("dataset", name, list(DATASETS))
    return data / name


def require(root: Path, name: str) -> Path:
    """Return `root` if it is a folder that holds something.

    Raises:
        DatasetError: the folder of dataset `name` is missing, empty or cannot be listed.
    """
    if not root.is_dir():
        state = "a file" if root.exists() else "nothing"
    elif not any(entries(root)):
        state = "an empty folder"
    else:
        return root
    raise DatasetError(f"{root}: expected the folder of {DATASETS[name].title}, found {state}: {RESTORE}")
