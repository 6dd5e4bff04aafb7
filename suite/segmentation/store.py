"""Every image decoded once, with the masks of any number of label sets, as near to the encoder as they fit.

The official code decodes an image anew whenever it is drawn (mmseg `LoadImageFromFile`); the pixels are the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.core.memory import available_bytes, free_device_bytes
from suite.datasets.digests import file_keys
from suite.datasets.files import damaged
from suite.datasets.openers import image_size
from suite.datasets.pixels import Resize, read_rgb
from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.errors import RequestError, unknown

SHARE = 0.5
"""Share of the free memory that decoded images may take."""

PLACES = ("device", "host", "disk")
_AT_ONCE = 64  # images between the decoding threads and the store: bounds what is held twice


@dataclass(frozen=True)
class Ragged:
    """n images of any size with their masks, pixel after pixel in one tensor.

    Attributes:
        pixels: (P, 3) uint8, RGB; image i is rows `starts[i]` to `starts[i] + height * width`, row by row.
        masks: label set -> (P,) uint8 labels, 255 ignored.
        starts: (n,).
        sizes: (n, 2) height and width.
        resize: how they are resized, where a diagnostic factor asks for another way than the protocol's.
    """

    pixels: Tensor
    masks: Mapping[str, Tensor]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    resize: Resize | None = None

    def mask(self, label_set: str, image: int) -> Tensor:
        """Return (H, W) labels of one image, a view."""
        return self._of(self.masks[label_set], image)

    def image(self, image: int) -> Tensor:
        """Return (H, W, 3) pixels of one image, a view."""
        return self._of(self.pixels, image)

    def _of(self, values: Tensor, image: int) -> Tensor:
        height, width = (int(side) for side in self.sizes[image])
        start = int(self.starts[image])
        return values[start : start + height * width].view(height, width, *values.shape[1:])


@dataclass(frozen=True)
class _Image:
    """One image: (P, 3) pixels and (P,) labels of each set."""

    pixels: Tensor
    masks: Mapping[str, Tensor]


def same_images(sets: Sequence[SegmentationSet]) -> list[list[SegmentationSet]]:
    """Group label sets of the same images, so that each group is encoded once (ADE20K 150, 59, 209; Pascal 16, 193).

    Images are the same if their names, in order, their sizes in bytes and their contents agree.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    alike: dict[object, list[SegmentationSet]] = {}
    for labels in sets:
        alike.setdefault(tuple(image.stem for image, _ in labels.records), []).append(labels)
    groups: dict[object, list[SegmentationSet]] = {}
    for stems, candidates in alike.items():
        for labels in candidates:
            # a set that shares its names with no other needs no reading
            content = _content(labels) if len(candidates) > 1 else ()
            groups.setdefault((stems, content), []).append(labels)
    return list(groups.values())


class ImageStore:
    """Decoded images of a group of label sets.

    Attributes:
        num_classes: label set -> C.
        sizes: (N, 2) height and width of each image.
        present: label set -> (N,) how many classes each mask shows; -1 until the image was first decoded.
        place: "device", "host" (page-locked, copied when fetched) or "disk" (decoded when fetched; those used last
            are kept).
    """

    def __init__(
        self,
        sets: Sequence[SegmentationSet],
        device: torch.device | str = "cpu",
        *,
        place: str | None = None,
        budget: int | None = None,
        resize: Resize | None = None,
    ) -> None:
        """Decode everything if it fits.

        Args:
            sets: label sets of the same images.
            device: where `fetch` puts images.
            place: see the class; the first in which the images fit, if not given.
            budget: bytes of host memory for decoded images; half of what is free, if not given.
            resize: see `Ragged`.

        Raises:
            RequestError: the sets are not of the same images, or an unknown place.
            DatasetError: an image or a mask is damaged, or a mask is not of its image's size.
        """
        if len(same_images(sets)) != 1:
            names = ", ".join(labels.name for labels in sets)
            raise RequestError(f"image store: expected label sets of the same images, got {names or 'none'}")
        if place not in {*PLACES, None}:
            raise unknown("place of an image store", str(place), PLACES)
        self._sets = {labels.name: labels for labels in sets}
        self.num_classes = {name: labels.num_classes for name, labels in self._sets.items()}
        self.device, self._resize = torch.device(device), resize
        self.present = {name: np.full(len(sets[0]), -1, dtype=np.int64) for name in self._sets}
        with ThreadPoolExecutor() as pool:
            self.sizes = np.array(list(pool.map(self._size, range(len(sets[0])))), dtype=np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self.sizes.prod(axis=1))])
        self._budget = int(SHARE * available_bytes()) if budget is None else budget
        self.place = place or self._nearest_place()
        self._kept: OrderedDict[int, _Image] = OrderedDict()
        self._all = None if self.place == "disk" else self._decode_all()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def label_sets(self) -> tuple[str, ...]:
        """Names of the label sets."""
        return tuple(self._sets)

    @property
    def size_bytes(self) -> int:
        """Bytes of all images and masks, decoded."""
        return int(self._starts[-1]) * (3 + len(self._sets))

    def fetch(self, indices: NDArray[np.int64]) -> Ragged:
        """Fetch images in the order of `indices`, on the device.

        Raises:
            DatasetError: a file is damaged (where images are decoded on demand).
        """
        if self._all is not None and self.place == "device":
            return Ragged(self._all.pixels, self._all.masks, self._starts[indices], self.sizes[indices], self._resize)
        images = self._decode(indices) if self._all is None else [self._slice(self._all, i) for i in indices]
        sizes = self.sizes[indices]
        starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))])[:-1]
        masks = {name: self._join([image.masks[name] for image in images]) for name in self._sets}
        return Ragged(self._join([image.pixels for image in images]), masks, starts, sizes, self._resize)

    def _nearest_place(self) -> str:
        """Return the first place whose budget the images keep."""
        if self.size_bytes <= SHARE * free_device_bytes(self.device):
            return "device"
        if self.size_bytes > self._budget:
            return "disk"
        return "host" if self.device.type == "cuda" else "device"

    def _size(self, index: int) -> tuple[int, int]:
        """Read (height, width) from the headers of the image and of its masks."""
        sizes: dict[Path, tuple[int, int]] = {}
        for path in [self._path(index), *(labels.records[index][1] for labels in self._sets.values())]:
            sizes[path] = image_size(path)
        width, height = sizes[self._path(index)]
        for path, size in sizes.items():
            if size != (width, height):
                raise damaged(path, f"expected {width} x {height} pixels, as its image has, got {size[0]} x {size[1]}")
        rows, columns = self._seen(height, width)
        return rows.stop - rows.start, columns.stop - columns.start

    def _path(self, index: int) -> Path:
        return next(iter(self._sets.values())).records[index][0]

    def _read(self, index: int) -> _Image:
        """Decode one image and its masks; count the masks' classes."""
        masks = {}
        for name, labels in self._sets.items():
            mask = labels.mask(index).reshape(-1)
            self.present[name][index] = np.count_nonzero(np.bincount(mask, minlength=256)[:IGNORE])
            masks[name] = torch.from_numpy(mask)
        pixels = np.array(read_rgb(self._path(index)))
        return _Image(torch.from_numpy(pixels[self._seen(*pixels.shape[:2])].reshape(-1, 3)), masks)

    def _seen(self, height: int, width: int) -> tuple[slice, slice]:
        return next(iter(self._sets.values())).seen(height, width)

    def _decode_all(self) -> _Image:
        """Decode everything into one tensor each, on the device or page-locked on the host."""
        on_host = self.place == "host"
        target = torch.device("cpu") if on_host else self.device
        pin = on_host and self.device.type == "cuda"

        def empty(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=torch.uint8, device=target, pin_memory=pin)

        total = int(self._starts[-1])
        whole = _Image(empty(total, 3), {name: empty(total) for name in self._sets})
        with ThreadPoolExecutor() as pool:
            for indices in _chunks(len(self)):
                for index, image in zip(indices, pool.map(self._read, indices), strict=True):
                    part = self._slice(whole, index)
                    part.pixels.copy_(image.pixels)
                    for name, mask in image.masks.items():
                        part.masks[name].copy_(mask)
        return whole

    def _slice(self, whole: _Image, index: int) -> _Image:
        """Return a view of one image."""
        span = slice(int(self._starts[index]), int(self._starts[index + 1]))
        return _Image(whole.pixels[span], {name: mask[span] for name, mask in whole.masks.items()})

    def _decode(self, indices: NDArray[np.int64]) -> list[_Image]:
        """Decode images: from memory where they are still kept, else from their files."""
        missing = [int(index) for index in dict.fromkeys(indices) if index not in self._kept]
        with ThreadPoolExecutor() as pool:
            fresh = dict(zip(missing, pool.map(self._read, missing), strict=True))
        images = {int(index): fresh.get(int(index)) or self._kept[int(index)] for index in indices}
        for index, image in images.items():
            self._kept[index] = image
            self._kept.move_to_end(index)
        held = sum(int(self.sizes[index].prod()) for index in self._kept) * (3 + len(self._sets))
        while held > self._budget:
            dropped, _ = self._kept.popitem(last=False)
            held -= int(self.sizes[dropped].prod()) * (3 + len(self._sets))
        return [images[int(index)] for index in indices]

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat([part.to(self.device, non_blocking=True) for part in parts])


def _content(labels: SegmentationSet) -> tuple[object, ...]:
    """Return what tells images apart: sizes in bytes, and keys that do not name folders."""
    images = [image for image, _ in labels.records]
    keys = file_keys(images)
    # above the limit of `file_keys` a key is a name with its folder ("training", "train"): the sizes must do
    return tuple(image.stat().st_size if "/" in key else key for image, key in zip(images, keys, strict=True))


def _chunks(count: int) -> Iterator[range]:
    return (range(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE))
