"""Labelled regions of images, and their pixels in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from suite.core.processors import usable_processors
from suite.datasets.digests import array_key, combine, file_keys, is_content_key
from suite.datasets.pixels import Box, Transform, crop, read_rgb, transform_named
from suite.errors import DatasetError

Pixels = npt.NDArray[np.uint8]

_PIECE = 32
"""Views a worker renders at a time, more where one image has more: each image is decoded by one worker."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A region of an image.

    Attributes:
        image: a file, or pixels (H, W, 3).
        box: the region; None for the whole image.
    """

    image: Path | Pixels
    box: Box | None = None


@dataclass(frozen=True, eq=False)
class ViewSet:
    """N labelled views, in the order in which an experiment sees them.

    Attributes:
        views: N views.
        labels: (N,) index into `class_names`.
        class_names: one per class, also for a class that no view has.
    """

    views: Sequence[View]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.views) != len(self.labels):
            raise DatasetError(f"view set: expected {len(self.views)} labels, got {len(self.labels)}")

    def __len__(self) -> int:
        return len(self.views)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> ViewSet:
        """Return the views at `indices`, in that order, with the same classes."""
        positions = np.asarray(indices, dtype=np.int64)
        return ViewSet([self.views[i] for i in positions], self.labels[positions], self.class_names)

    def take(self, limit: int | None) -> ViewSet:
        """Take at most `limit` views, evenly spaced: files sorted by class still give every class its share."""
        if limit is None or limit >= len(self):
            return self
        return self.subset(np.arange(limit, dtype=np.int64) * len(self) // limit)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the images' keys, the boxes, the labels and the class names."""
        rows = zip(self._image_keys, self.views, self.labels, strict=True)
        return combine([*self.class_names, *(f"{key} {view.box} {label}" for key, view, label in rows)])

    @cached_property
    def keys(self) -> list[str]:
        """N texts, each of what decides the pixels of a view, whatever its label and whichever views come with it.

        Where the names and sizes of files stand for their content, those of all files of the set count for each.
        """
        by_content = all(is_content_key(key) for key in self._image_keys)
        company = "" if by_content else f" {combine(dict.fromkeys(self._image_keys))}"
        return [f"{key} {view.box}{company}" for key, view in zip(self._image_keys, self.views, strict=True)]

    @cached_property
    def _image_keys(self) -> list[str]:
        """The keys of the views' images."""
        paths = list(dict.fromkeys(view.image for view in self.views if isinstance(view.image, Path)))
        keys = dict(zip(paths, file_keys(paths), strict=True))
        return [_key(view, keys) for view in self.views]


def render(
    views: Sequence[View],
    transform: str,
    size: int,
    *,
    batch_size: int = 256,
    workers: int | None = None,
    order: npt.NDArray[np.int64] | None = None,
) -> Iterator[tuple[npt.NDArray[np.int64], Pixels]]:
    """Decode, crop and resize views, batch by batch, all views of an image together: each is decoded once.

    COCO lists the people of an image far apart, so the batches' order is that of `by_image`, unless one is given.

    Args:
        views: N views.
        transform: a name in `pixels.TRANSFORMS`.
        size: side of the result, pixels.
        batch_size: views per batch; the last batch may be smaller.
        workers: threads; None for one per core. Neither pixels nor order depend on it.
        order: (M,) indices of the views to draw, in that order; an image is decoded again for each run of its views.

    Yields:
        (B,) indices of the batch's views, and (B, size, size, 3) pixels.

    Raises:
        RequestError: unknown transform.
        DatasetError: an image cannot be read.
    """
    work = partial(_draw, transform=transform_named(transform), size=size)
    order = by_image(views) if order is None else order
    rendered: list[Pixels] = []
    start = 0
    for image in _in_order(work, _pieces([views[i] for i in order]), workers or usable_processors()):
        rendered.extend(image)
        while len(rendered) >= batch_size:
            yield order[start : start + batch_size], np.stack(rendered[:batch_size])
            start += batch_size
            del rendered[:batch_size]
    if rendered:
        yield order[start:], np.stack(rendered)


def by_image(views: Sequence[View]) -> npt.NDArray[np.int64]:
    """Return (N,) indices of views such that those of an image are neighbours, images in order of their first view."""
    rank: dict[object, int] = {}
    keys = (view.image if isinstance(view.image, Path) else id(view.image) for view in views)
    ranks = [rank.setdefault(key, len(rank)) for key in keys]
    return np.argsort(np.array(ranks, dtype=np.int64), kind="stable")


def _key(view: View, keys: dict[Path, str]) -> str:
    return keys[view.image] if isinstance(view.image, Path) else array_key(view.image)


def _pieces(views: Sequence[View]) -> Iterator[list[View]]:
    """Cut the views into short lists, never between two views of the same image."""
    piece: list[View] = []
    for view in views:
        if len(piece) >= _PIECE and not _same_image(piece[-1], view):
            yield piece
            piece = []
        piece.append(view)
    if piece:
        yield piece


def _same_image(a: View, b: View) -> bool:
    return a.image is b.image or (isinstance(a.image, Path) and isinstance(b.image, Path) and a.image == b.image)


def _draw(piece: list[View], transform: Transform, size: int) -> list[Pixels]:
    pixels: list[Pixels] = []
    image = None
    for i, view in enumerate(piece):
        if image is None or not _same_image(piece[i - 1], view):
            image = read_rgb(view.image) if isinstance(view.image, Path) else Image.fromarray(view.image)
        region = image if view.box is None else crop(image, view.box)
        pixels.append(np.asarray(transform(region, size)))
    return pixels


def _in_order(
    work: Callable[[list[View]], list[Pixels]], pieces: Iterator[list[View]], workers: int
) -> Iterator[list[Pixels]]:
    """Map over a pool that is never more than a few pieces ahead, so that memory stays bounded."""
    if workers == 1:
        yield from map(work, pieces)
        return
    pool = ThreadPoolExecutor(workers)
    ahead: deque[Future[list[Pixels]]] = deque()
    try:
        for piece in pieces:
            ahead.append(pool.submit(work, piece))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
