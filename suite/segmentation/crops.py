"""Training crops of any step, as the official pipeline makes them, from images that are already decoded.

Resize, crop, flip, photometric distortion, normalisation, padding, in this order (mmseg 0.11; official code,
configs_local/_base_/datasets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.datasets.segmentation import IGNORE
from suite.errors import RequestError
from suite.protocol.constants import constant
from suite.segmentation.augment import CANDIDATES, Colours, distort, draw_colours, draw_corners
from suite.segmentation.batch import Batch
from suite.segmentation.resize import Windows, blank_beyond, keep_ratio_size, sample_labels, sample_pixels
from suite.segmentation.store import ImageStore, Ragged

CROP_CLASSES: int = constant("segmentation", "crop_classes")
"""Classes that a window must show at least, if it may be refused."""
_ORDER, _ITEM = 0, 1  # streams of random numbers, apart from each other
_REFUSABLE = CANDIDATES - 1
_ROUNDS = ((0, 1), (1, min(4, _REFUSABLE)), (min(4, _REFUSABLE), _REFUSABLE))
"""Candidates looked at together: each round waits for the device."""


@dataclass(frozen=True)
class CropRecipe:
    """Recipe of training crops.

    Attributes:
        crop_px: side of a crop.
        scale: (long, short) side of the images before the random ratio.
        batch_size: crops a step.
        ratio: range of the random ratio.
        cat_max_ratio: a window is taken if its most frequent class covers less of its labelled pixels.
        flip: probability of mirroring.
        photometric: distort colours.
    """

    crop_px: int
    scale: tuple[int, int]
    batch_size: int
    ratio: tuple[float, float] = (0.5, 2.0)
    cat_max_ratio: float = 0.75
    flip: float = 0.5
    photometric: bool = True


@dataclass(frozen=True)
class Draw:
    """Every random decision about one crop.

    Attributes:
        size: height and width of the resized image.
        corners: (11, 2) top and left of the windows to try.
        flip: mirror it.
        colours: None if they stay.
    """

    size: tuple[int, int]
    corners: NDArray[np.int64]
    flip: bool
    colours: Colours | None


class Crops:
    """Batch of each step, `crops(step)`: a function of seed and step alone, so that a training resumes anywhere.

    A label set's crops do not depend on which other label sets are in the store: all share the draws, and each takes
    the first window in which its own mask is diverse.
    """

    def __init__(
        self,
        store: ImageStore,
        recipe: CropRecipe,
        *,
        seed: int,
        mean: Sequence[float],
        std: Sequence[float],
        mirror: Mapping[str, NDArray[np.uint8]] | None = None,
    ) -> None:
        """Prepare; nothing is cut yet.

        Args:
            store: of the training images.
            recipe: how to cut.
            seed: of order and decisions.
            mean: per channel, of images in [0, 1].
            std: per channel, likewise.
            mirror: label set -> (256,) labels after mirroring, see `mirror_table`; the official code keeps them.

        Raises:
            RequestError: fewer images than crops in a step.
        """
        if len(store) < recipe.batch_size:
            raise RequestError(
                f"segmentation of {'+'.join(store.label_sets)}: expected at least {recipe.batch_size} training images, "
                f"a batch, got {len(store)}"
            )
        self.store, self.recipe, self.seed = store, recipe, seed
        self._normalise = Normalise(mean, std, store.device)
        self._mirror = {name: torch.from_numpy(table).to(store.device) for name, table in (mirror or {}).items()}

    def order(self, step: int) -> NDArray[np.int64]:
        """Return (B,) images of a step: a new permutation each epoch, its incomplete last batch left out."""
        epoch, batch = divmod(step, len(self.store) // self.recipe.batch_size)
        images = np.random.default_rng([self.seed, _ORDER, epoch, 0]).permutation(len(self.store))
        return images[batch * self.recipe.batch_size :][: self.recipe.batch_size]

    def draw(self, step: int, item: int, height: int, width: int) -> Draw:
        """Draw the decisions about one crop of an image of `height` x `width`."""
        rng = np.random.default_rng([self.seed, _ITEM, step, item])
        size = keep_ratio_size(height, width, self.recipe.scale, rng.uniform(*self.recipe.ratio))
        corners = draw_corners(rng, size, self.recipe.crop_px)
        flip = bool(rng.random() < self.recipe.flip)
        return Draw(size, corners, flip, draw_colours(rng) if self.recipe.photometric else None)

    def __call__(self, step: int) -> Batch:
        """Cut the crops of a step, on the store's device."""
        images = self.order(step)
        ragged = self.store.fetch(images)
        draws = [self.draw(step, item, *map(int, size)) for item, size in enumerate(ragged.sizes)]
        candidates = {name: self._choose(name, images, ragged, draws) for name in self.store.label_sets}
        rows, distinct = _distinct(candidates, draws)
        labels = {name: self._labels(name, ragged, draws, numbers) for name, numbers in candidates.items()}
        indices = {name: torch.from_numpy(row).to(self.store.device) for name, row in rows.items()}
        return Batch(self._pixels(ragged, draws, distinct), labels, indices)

    def _choose(
        self, label_set: str, images: NDArray[np.int64], ragged: Ragged, draws: Sequence[Draw]
    ) -> NDArray[np.int64]:
        """Choose (B,) the candidate that a label set takes for each item: the first diverse one, else the last.

        A mask of a single class has no diverse window, which spares looking.
        """
        candidate = np.full(len(draws), _REFUSABLE)
        open_ = np.flatnonzero(self.store.present[label_set][images] >= CROP_CLASSES)
        for first, last in _ROUNDS if self.recipe.cat_max_ratio < 1 else ():
            tried = np.arange(first, last)
            items, candidates = np.repeat(open_, len(tried)), np.tile(tried, len(open_))
            diverse = self._diverse(label_set, ragged, draws, items, candidates).reshape(-1, len(tried))
            hits = diverse.any(axis=1)
            candidate[open_[hits]] = first + diverse[hits].argmax(axis=1)
            open_ = open_[~hits]
        return candidate if self.recipe.cat_max_ratio < 1 else np.zeros_like(candidate)

    def _diverse(
        self,
        label_set: str,
        ragged: Ragged,
        draws: Sequence[Draw],
        items: NDArray[np.int64],
        candidates: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Tell (n,) whether windows show several classes, none on too many of the labelled pixels."""
        if not len(items):
            return np.zeros(0, dtype=bool)
        side = self.recipe.crop_px
        labels = sample_labels(ragged, label_set, _windows(draws, items, candidates), side, side)
        offsets = torch.arange(len(items), device=labels.device)[:, None] * 256
        counts = torch.bincount((labels.flatten(1).long() + offsets).flatten(), minlength=256 * len(items))
        pixels = counts.view(-1, 256)[:, :IGNORE].cpu().numpy()
        shares = pixels.max(axis=1) / np.maximum(pixels.sum(axis=1), 1)
        several: NDArray[np.bool_] = np.count_nonzero(pixels, axis=1) >= CROP_CLASSES
        return several & (shares < self.recipe.cat_max_ratio)

    def _labels(self, label_set: str, ragged: Ragged, draws: Sequence[Draw], candidates: NDArray[np.int64]) -> Tensor:
        """Cut (B, h, w) labels of the crops that a label set took."""
        items, side = np.arange(len(draws)), self.recipe.crop_px
        labels = sample_labels(ragged, label_set, _windows(draws, items, candidates), side, side)
        for item in np.flatnonzero([draw.flip for draw in draws]) if label_set in self._mirror else ():
            labels[item] = self._mirror[label_set][labels[item].long()]
        return labels

    def _pixels(self, ragged: Ragged, draws: Sequence[Draw], distinct: NDArray[np.int64]) -> Tensor:
        """Cut (U, 3, h, w) the distinct crops, given as rows of (item, candidate)."""
        windows, side = _windows(draws, *distinct.T), self.recipe.crop_px
        images = sample_pixels(ragged, windows, side, side)
        colours = [draws[item].colours for item in distinct[:, 0]]
        extent = windows.extent(side, side)
        if self.recipe.photometric:
            distort(images, [change for change in colours if change is not None], extent[:, 1])
        return blank_beyond(self._normalise(images), extent, 0)


class Normalise:
    """Normaliser of (n, H, W, 3) uint8 to (n, 3, H, W) float32, by an encoder's mean and standard deviation."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        """Keep `mean` and `std`, per channel, of images in [0, 1]; the official code gives them times 255."""
        self._mean, self._rate = (
            torch.from_numpy(values.astype(np.float32)).to(device)
            for values in (np.array(mean) * 255, 1 / (np.array(std) * 255))
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise a batch."""
        return ((images.float() - self._mean) * self._rate).permute(0, 3, 1, 2).contiguous()


def _windows(draws: Sequence[Draw], items: NDArray[np.int64], candidates: NDArray[np.int64]) -> Windows:
    size, corners = np.array([draw.size for draw in draws]), np.array([draw.corners for draw in draws])
    flip = np.array([draw.flip for draw in draws])
    return Windows(items, size[items], corners[items, candidates], flip[items])


def _distinct(
    chosen: Mapping[str, NDArray[np.int64]], draws: Sequence[Draw]
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Number the windows that differ.

    Returns:
        label set -> (B,) number of each of its windows; (U, 2) item and candidate of each number.
    """
    numbers: dict[tuple[int, int, int], int] = {}
    windows: list[tuple[int, int]] = []
    rows = {}
    for name, candidates in chosen.items():
        row = []
        for item, candidate in enumerate(candidates):
            top, left = draws[item].corners[candidate]
            key = (item, int(top), int(left))
            if key not in numbers:
                numbers[key] = len(windows)
                windows.append((item, int(candidate)))
            row.append(numbers[key])
        rows[name] = np.array(row, dtype=np.int64)
    return rows, np.array(windows, dtype=np.int64)
