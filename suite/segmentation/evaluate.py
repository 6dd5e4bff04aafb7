"""One pass over the validation images for all heads and label sets: slide inference at the images' own size.

Source: official code, mmseg/models/segmentors/encoder_decoder.py (`slide_inference`), configs_local/_base_/datasets.
Deviates: where a resized image is smaller than the crop it is padded with zeros, after normalising, at the bottom and
on the right, as training crops are, and the logits beyond it are dropped; the official code fails there and scores the
logits of an earlier window.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.core.memory import in_parts
from suite.errors import RequestError
from suite.metrics import SegmentationCounts
from suite.probes.windows import sliding_windows
from suite.results.image_counts import ImageCounts
from suite.segmentation.bank import HeadSpec
from suite.segmentation.crops import Normalise
from suite.segmentation.encode import Encode
from suite.segmentation.resize import Windows, keep_ratio_size, sample_pixels
from suite.segmentation.store import ImageStore, Ragged

_CHUNK_BYTES = 256 << 20  # of logits at full size
_FETCHED = 16  # images decoded together where they are read from disk


@dataclass(frozen=True)
class SlideRecipe:
    """Recipe of slide inference on validation images.

    Attributes:
        crop_px: side of a window.
        stride_px: distance of neighbouring windows.
        scale: (long, short) side of the resized images.
        batch_size: windows encoded at once.
    """

    crop_px: int
    stride_px: int
    scale: tuple[int, int]
    batch_size: int = 8


@dataclass
class HeadScores:
    """Scores of one head.

    Attributes:
        counts: over all images.
        images: of each image.
        predictions: image -> (H, W) uint8 labels, for the images asked for.
    """

    counts: SegmentationCounts
    images: ImageCounts
    predictions: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def add(self, image: int, prediction: Tensor, target: Tensor) -> None:
        """Count one image.

        Args:
            image: its number.
            prediction: (H, W) classes.
            target: (H, W) labels, 255 ignored.
        """
        counts = SegmentationCounts(self.counts.num_classes)
        counts.update(prediction, target)
        self.images.correct[image] = counts.confusion.diagonal()
        self.images.predicted[image] = counts.confusion.sum(axis=0)
        self.images.labelled[image] = counts.confusion.sum(axis=1)
        self.counts.confusion += counts.confusion


def evaluate(
    encode: Encode,
    heads: Mapping[str, nn.Module],
    specs: Sequence[HeadSpec],
    store: ImageStore,
    recipe: SlideRecipe,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    keep: Collection[int] = (),
) -> dict[str, HeadScores]:
    """Score heads on every image of a store; each window is encoded once for all of them.

    Args:
        encode: normalised images to features, on the store's device.
        heads: by name.
        specs: of at least these heads.
        store: of the validation images, with the label sets of the heads.
        recipe: how to look.
        mean: per channel, of images in [0, 1].
        std: per channel, likewise.
        keep: numbers of the images whose predictions are wanted.

    Returns:
        Scores by the heads' names.

    Raises:
        RequestError: no head, or one whose label set is not in the store.
    """
    by_name = {spec.name: spec for spec in specs}
    _check(heads, by_name, store)

    def score_part(names: Sequence[str]) -> dict[str, HeadScores]:
        part = {name: heads[name] for name in names}
        return _scores(encode, part, by_name, store, recipe, normalise=Normalise(mean, std, store.device), keep=keep)

    parts = in_parts(list(heads), score_part, "evaluations of segmentation heads")
    return {name: score for part in parts for name, score in part.items()}


def _scores(
    encode: Encode,
    heads: Mapping[str, nn.Module],
    by_name: Mapping[str, HeadSpec],
    store: ImageStore,
    recipe: SlideRecipe,
    *,
    normalise: Normalise,
    keep: Collection[int],
) -> dict[str, HeadScores]:
    """Score some heads in one pass over the images; see `evaluate`."""
    scores = {name: _no_scores(by_name[name].num_classes, len(store)) for name in heads}
    with torch.no_grad():
        for view in _views_with_logits(_views(store, recipe, normalise), encode, heads, recipe):
            for name in heads:
                target = view.images.mask(by_name[name].label_set, view.position)
                prediction = merge(
                    torch.cat(view.logits[name]),
                    view.windows,
                    view.size,
                    target.shape,
                    recipe.crop_px,
                    enlarge_first=by_name[name].enlarge_first,
                )
                scores[name].add(view.image, prediction, target)
                if view.image in keep:
                    scores[name].predictions[view.image] = prediction.to(torch.uint8).cpu().numpy()
    return scores


def merge(
    logits: Tensor,
    windows: Sequence[tuple[int, int, int, int]],
    size: tuple[int, int],
    original: Sequence[int],
    crop_px: int,
    *,
    enlarge_first: int = 1,
    chunk_bytes: int = _CHUNK_BYTES,
) -> Tensor:
    """Merge the logits of an image's windows into its classes; where windows overlap, by their mean.

    Args:
        logits: (n, C, h, w), one item a window.
        windows: (top, left, bottom, right) of each in the resized image.
        size: height and width of the resized image.
        original: height and width of the image.
        crop_px: side of the pixels that (h, w) logits stand for; windows may be smaller.
        enlarge_first: see `HeadSpec`.
        chunk_bytes: of enlarged logits that may exist at once. Classes are enlarged in groups, which changes no bit.

    Returns:
        (H, W) int64 classes at the original size; the first of equally likely ones.
    """
    coverage = logits.new_zeros(size)
    for top, left, bottom, right in windows:
        coverage[top:bottom, left:right] += 1
    largest = max(size[0] * size[1], original[0] * original[1], crop_px**2)
    step = max(1, chunk_bytes // (4 * largest * 3))  # windows, their sum and the resized sum
    best = logits.new_full(tuple(original), -torch.inf)
    classes = torch.zeros(tuple(original), dtype=torch.int64, device=logits.device)
    for first in range(0, logits.shape[1], step):
        total = logits.new_zeros(1, len(logits[0, first : first + step]), *size)
        for window, (top, left, bottom, right) in zip(logits[:, None, first : first + step], windows, strict=True):
            full = _resized(_resized(window, [side * enlarge_first for side in window.shape[-2:]]), [crop_px, crop_px])
            total[..., top:bottom, left:right] += full[..., : bottom - top, : right - left]
        value, index = _resized(total / coverage, original)[0].max(dim=0)
        better = value > best
        best, classes = torch.where(better, value, best), torch.where(better, index + first, classes)
    return classes


@dataclass(frozen=True)
class _View:
    """A validation image on its way.

    Attributes:
        image: number in the store.
        images: decoded images, this one at `position`.
        position: see `images`.
        size: height and width after resizing.
        windows: (top, left, bottom, right) in the resized image.
        crops: (n, 3, crop, crop) normalised windows.
        logits: head -> the logits of the windows encoded so far, (1, C, h, w) each.
    """

    image: int
    images: Ragged
    position: int
    size: tuple[int, int]
    windows: list[tuple[int, int, int, int]]
    crops: Tensor
    logits: dict[str, list[Tensor]]


def _views(store: ImageStore, recipe: SlideRecipe, normalise: Normalise) -> Iterator[_View]:
    """Resize every image and cut its windows."""
    side = recipe.crop_px
    for first in range(0, len(store), _FETCHED):
        numbers = np.arange(first, min(first + _FETCHED, len(store)))
        images = store.fetch(numbers)
        for position, number in enumerate(numbers):
            rows, columns = (int(length) for length in images.sizes[position])
            height, width = keep_ratio_size(rows, columns, recipe.scale)
            frame = Windows(np.array([position]), np.array([[height, width]]), np.zeros((1, 2), int), np.zeros(1, bool))
            pixels = normalise(sample_pixels(images, frame, height, width))[0]
            pixels = F.pad(pixels, (0, max(side - width, 0), 0, max(side - height, 0)))
            windows = sliding_windows(height, width, crop=side, stride=recipe.stride_px)
            crops = torch.stack([pixels[:, top : top + side, left : left + side] for top, left, _, _ in windows])
            yield _View(int(number), images, position, (height, width), windows, crops, defaultdict(list))


def _views_with_logits(
    views: Iterator[_View], encode: Encode, heads: Mapping[str, nn.Module], recipe: SlideRecipe
) -> Iterator[_View]:
    """Encode windows of several images together; images come out in order, as soon as all their windows are done."""
    waiting: deque[_View] = deque()
    crops: deque[tuple[_View, Tensor]] = deque()

    def run(count: int) -> None:
        batch = [crops.popleft() for _ in range(count)]
        features = encode(torch.stack([crop for _, crop in batch]))
        for name, head in heads.items():
            for (view, _), logits in zip(batch, head(features).float(), strict=True):
                view.logits[name].append(logits[None])

    for view in views:
        waiting.append(view)
        crops.extend((view, crop) for crop in view.crops)
        while len(crops) >= recipe.batch_size:
            run(recipe.batch_size)
        while waiting and (not crops or crops[0][0].image > waiting[0].image):
            yield waiting.popleft()
    if crops:
        run(len(crops))
    yield from waiting


def _resized(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly, as the official `resize` with align_corners off."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _no_scores(num_classes: int, images: int) -> HeadScores:
    return HeadScores(SegmentationCounts(num_classes), ImageCounts.zeros(images, num_classes))


def _check(heads: Mapping[str, nn.Module], specs: Mapping[str, HeadSpec], store: ImageStore) -> None:
    if not heads:
        raise RequestError("evaluation of segmentation: expected at least one head, got none")
    for name in heads:
        if name not in specs or specs[name].label_set not in store.label_sets:
            got = repr(specs[name].label_set) if name in specs else "no specification"
            raise RequestError(f"head {name!r}: expected a label set among {', '.join(store.label_sets)}, got {got}")
