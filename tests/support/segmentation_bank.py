"""A training small enough to run hundreds of times: random crops, a random frozen convolution for an encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from suite.segmentation.bank import HeadSpec
from suite.segmentation.batch import Batch
from suite.segmentation.train import TrainedBank, train_bank

CHANNELS, CROP, PATCH = 6, 16, 8
CLASSES = {"objects": 4, "parts": 7}
FILTERS = torch.randn(CHANNELS, 3, PATCH, PATCH, generator=torch.Generator().manual_seed(7)) / PATCH
SPECS = (
    HeadSpec("low", "parts", 7, lr=4e-3, decay_bias=False),
    HeadSpec("high", "parts", 7, lr=2e-2),
    HeadSpec("objects", "objects", 4, lr=1e-2, seed=3),
    HeadSpec("twice", "objects", 4, lr=1e-2, seed=3, enlarge_first=2),
)


def encode(pixels: Tensor) -> Tensor:
    return torch.nn.functional.conv2d(pixels, FILTERS, stride=PATCH)


def batches(step: int) -> Batch:
    """Two crops; the label sets disagree about the second in every third step."""
    generator = torch.Generator().manual_seed(step)
    pixels = torch.randn(3, 3, CROP, CROP, generator=generator)
    rows = {"objects": torch.tensor([0, 1]), "parts": torch.tensor([0, 2 if step % 3 == 0 else 1])}
    labels = {
        name: torch.randint(classes, (2, CROP, CROP), generator=torch.Generator().manual_seed(step + 1000)).byte()
        for name, classes in CLASSES.items()
    }
    labels["parts"][:, :5] = 255
    return Batch(pixels, labels, rows)


def train(specs=SPECS, *, iterations: int = 12, folder: Path | None = None, **options) -> TrainedBank:
    options = {"identity": "a", "warmup": 4, "batches": batches, "checkpoint_s": 0.0} | options
    crops = options.pop("batches")
    return train_bank(encode, crops, specs, in_channels=CHANNELS, iterations=iterations, checkpoints=folder, **options)


def assert_same(one: TrainedBank, other: TrainedBank, names: list[str] | None = None) -> None:
    """To the last bit."""
    for name in names or one.heads:
        for obtained, expected in zip(one.heads[name].parameters(), other.heads[name].parameters(), strict=True):
            assert torch.equal(obtained, expected), name
        assert one.losses[name] == other.losses[name], name
