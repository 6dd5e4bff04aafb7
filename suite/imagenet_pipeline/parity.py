"""Test of whether a faster way to pixels is near enough to PIL's to be judged by; measured on the images at hand.

What nvJPEG, libjpeg or the vector instructions of a machine do is not known beforehand, so every run looks for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from suite.errors import DatasetError
from suite.imagenet_pipeline.decode import Decoder
from suite.imagenet_pipeline.images import ImageStream

MAX_LEVELS = 4
"""Largest difference of a value, of 255. PyTorch's weights of 16 bits instead of PIL's 22 move one by a level or two,
an inverse cosine transform that rounds in another way by a few."""
MEAN_LEVELS = 0.05
"""Mean difference of a value: a twentieth of what storing pixels as bytes costs already (0.25 on average)."""
SAMPLE = 24


@dataclass(frozen=True)
class Parity:
    """Distance of a faster way from PIL, in levels of 0 to 255.

    Attributes:
        images: how many were looked at, each as a training and as an evaluation crop.
        max_levels: largest difference of a value.
        mean_levels: mean difference of a value.
        on_device: how many the device decoded; the others fell back to the CPU. None where none was to.
        refused: what was measured of ways faster still, which do not keep the bounds.
    """

    images: int
    max_levels: int
    mean_levels: float
    on_device: int | None = None
    refused: str = ""

    @property
    def passes(self) -> bool:
        """Return whether both bounds are kept."""
        return self.max_levels <= MAX_LEVELS and self.mean_levels <= MEAN_LEVELS

    def __str__(self) -> str:
        device = "" if self.on_device is None else f", {self.on_device} of them decoded on the device"
        levels = f"at most {self.max_levels} levels, {self.mean_levels:.4f} on average, over {self.images} images"
        return levels + device + self.refused


def parity(
    paths: Sequence[Path], size: int, *, decoder: Decoder = "fast", device: torch.device | str = "cpu"
) -> Parity:
    """Compare a way with PIL's on evenly spaced images.

    Args:
        paths: the images of a set.
        size: side of the squares, pixels.
        decoder: the way.
        device: where it leads to.

    Raises:
        DatasetError: no images, or one that cannot be read.
    """
    if not paths:
        raise DatasetError("decoder parity: expected images to compare on, got none")
    sample = [paths[i * len(paths) // SAMPLE] for i in range(SAMPLE)] if len(paths) > SAMPLE else paths
    largest, means, by_device = 0, [], 0
    for augment in (True, False):
        stream = ImageStream(sample, size, augment=augment, decoder=decoder, device=device)
        reference = _pixels(ImageStream(sample, size, augment=augment, decoder="exact"))
        levels = (_pixels(stream).cpu().short() - reference.short()).abs()
        largest = max(largest, int(levels.max()))
        means.append(float(levels.double().mean()))
        by_device = stream.decoded["device"]
    return Parity(len(sample), largest, float(np.mean(means)), by_device if decoder == "device" else None)


def choose_decoder(paths: Sequence[Path], size: int, device: torch.device | str = "cpu") -> tuple[Decoder, Parity]:
    """Return the fastest way that keeps the bounds: on the device (a GPU only), else fast on the CPU, else PIL's."""
    faster: tuple[Decoder, ...] = ("device", "fast") if torch.device(device).type == "cuda" else ("fast",)
    refused = ""
    for decoder in faster:
        comparison = replace(parity(paths, size, decoder=decoder, device=device), refused=refused)
        if comparison.passes:
            return decoder, comparison
        refused = f"; not {decoder}: {comparison}"
    return "exact", comparison


def _pixels(images: ImageStream) -> Tensor:
    """Return pixels (N, 3, S, S)."""
    [(_, pixels)] = images.batches(0, [np.arange(len(images))])
    return pixels
