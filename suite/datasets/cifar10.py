"""CIFAR-10: `cifar-10-batches-py/` with `data_batch_1..5`, `test_batch`, `batches.meta`.

Each file is a pickle of a dict, read by an unpickler that runs no code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from suite.core.forms import shown
from suite.datasets.files import damaged, home
from suite.datasets.tables import is_text
from suite.datasets.unpickle import read_pickled_dict
from suite.datasets.views import Pixels, View, ViewSet
from suite.errors import unknown

CLASSES = 10
SPLITS = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}


def images(root: Path, split: str = "test") -> ViewSet:
    """Return the images of a split, 32 x 32, in the order of the files.

    Args:
        root: folder of the dataset.
        split: "train" or "test"; the paper's object retrieval names the dataset only, so queries and gallery
            are the test images.

    Raises:
        RequestError: unknown split.
        DatasetError: a file is missing or breaks its format.
    """
    if split not in SPLITS:
        raise unknown("split of cifar10", split, list(SPLITS))
    folder = home(root, "cifar-10-batches-py")
    names = _names(folder / "batches.meta")
    views: list[View] = []
    labels: list[int] = []
    for file in SPLITS[split]:
        pixels, batch_labels = _batch(folder / file, len(names))
        views += map(View, pixels)
        labels += batch_labels
    return ViewSet(views, np.array(labels, dtype=np.int64), names)


def _names(path: Path) -> tuple[str, ...]:
    """Return the names of the ten classes."""
    names = _list(path, "label_names", read_pickled_dict(path))
    for i, name in enumerate(names):
        if not is_text(name):
            raise damaged(path, f"'label_names'[{i}]: expected a text, got {shown(name)}")
    if len(names) != CLASSES:
        raise damaged(path, f"'label_names': expected the {CLASSES} classes of CIFAR-10, got {len(names)}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise damaged(path, f"'label_names': expected the {CLASSES} classes of CIFAR-10, got {shown(twice[0])} twice")
    return tuple(names)


def _batch(path: Path, num_classes: int) -> tuple[Pixels, list[int]]:
    """Return (n, 32, 32, 3) pixels and n labels of a batch of any length."""
    batch = read_pickled_dict(path)
    data, labels = batch.get("data"), _list(path, "labels", batch)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (len(labels), 3072):
        description = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise damaged(path, f"'data': expected uint8 ({len(labels)}, 3072), a row per label, got {description}")
    if not all(type(label) is int and 0 <= label < num_classes for label in labels):
        raise damaged(path, f"'labels': expected integers from 0 to {num_classes - 1}")
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _list(path: Path, key: str, content: dict[str, Any]) -> list[Any]:
    values = content.get(key)
    if not isinstance(values, list) or not values:
        raise damaged(path, f"{key!r}: expected a list, got {type(values).__name__}")
    return values
