"""CIFAR-10: `cifar-10-batches-py/`, pickled batches of 32 x 32 images (cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from suite.mini.birds import SPECIES, bird
from suite.mini.datasets.base import Parallel, generator, sized
from suite.mini.datasets.pickles import dumps
from suite.mini.draw import Pixels
from suite.mini.scene import CLASSES, draw

FAMILY = 1
SIDE = 32
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASS_OF = {"automobile": "car", "bird": "finch", "ship": "boat"}
"""Our class for a label that goes by another name; birds are of any species."""
TRAIN_BATCHES, TRAIN_BATCH, TEST = 5, 120, 1000


def write(root: Path, parallel: Parallel, share: float) -> None:
    """Write the five training batches, the test batch and the names of the labels."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    batch, test = sized(TRAIN_BATCH, share, least=2), sized(TEST, share, least=10)
    pairs = parallel(_image, TRAIN_BATCHES * batch + test)
    for i in range(TRAIN_BATCHES):
        title = f"training batch {i + 1} of {TRAIN_BATCHES}"
        _write_batch(folder / f"data_batch_{i + 1}", title, pairs[i * batch : (i + 1) * batch])
    _write_batch(folder / "test_batch", "testing batch 1 of 1", pairs[TRAIN_BATCHES * batch :])
    meta = dumps({"num_cases_per_batch": batch, "label_names": list(LABELS), "num_vis": 3 * SIDE**2})
    (folder / "batches.meta").write_bytes(meta)


def _image(index: int) -> tuple[Pixels, int]:
    rng = generator(FAMILY, index)
    label = int(rng.integers(len(LABELS)))
    name = LABELS[label]
    species = list(SPECIES.values())[int(rng.integers(len(SPECIES)))]
    builder = partial(bird, form=species) if name == "bird" else None
    scene = draw(rng, CLASSES.index(CLASS_OF.get(name, name)), SIDE, builder=builder)
    return scene.image, label


def _write_batch(path: Path, title: str, pairs: list[tuple[Pixels, int]]) -> None:
    # a row holds all red, then all green, then all blue values
    data = np.stack([image.transpose(2, 0, 1).ravel() for image, _ in pairs])
    labels = [label for _, label in pairs]
    names = [f"{LABELS[label]}_s_{i:06d}.png" for i, label in enumerate(labels)]
    path.write_bytes(dumps({"batch_label": title, "labels": labels, "data": data, "filenames": names}))
