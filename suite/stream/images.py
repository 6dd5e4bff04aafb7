"""Augmented images in batches, decoded ahead by threads: decoders and resizing leave Python's lock alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.errors import RequestError, unknown
from suite.stream.augment import Region, evaluation_region, training_region
from suite.stream.decode import DECODERS, Decoder, Pixels

_PIECE = 8
"""Images a thread takes at a time."""
_AHEAD = 2048
"""Images that may be decoded before they are asked for, besides the batch in work: 300 MB at 224 pixels."""

Indices = NDArray[np.int64]


class ImageStream:
    """N images, from which any may be asked for, at any epoch; the same pixels come every time."""

    def __init__(
        self,
        paths: Sequence[Path],
        size: int,
        *,
        augment: bool,
        seed: int = 0,
        decoder: Decoder = "fast",
        workers: int | None = None,
    ) -> None:
        """Say what is wanted; nothing is read yet.

        Args:
            paths: N files.
            size: S, side of the squares, pixels.
            augment: random-resized crop and mirror image; False for the centre crop of evaluation.
            seed: of the augmentation.
            decoder: `fast` only where `suite.stream.parity` allows it.
            workers: threads; None for one per core that this process may use. The pixels do not depend on it.

        Raises:
            RequestError: no images, no such decoder, or no worker.
        """
        if not paths:
            raise RequestError("image stream: expected at least one image, got none")
        if decoder not in DECODERS:
            raise unknown("decoder", decoder, tuple(DECODERS))
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        if self.workers < 1:
            raise RequestError(f"image stream: expected at least 1 worker, got {workers}")
        self.paths, self.size, self.augment, self.seed = paths, size, augment, seed
        self._draw = DECODERS[decoder]

    def __len__(self) -> int:
        return len(self.paths)

    def batches(self, epoch: int, order: Iterable[Indices]) -> Iterator[tuple[Indices, Pixels]]:
        """Decode and augment, some batches ahead of whoever asks.

        Args:
            epoch: from 0; decides the augmentation.
            order: the images of each batch.

        Yields:
            (B,) indices as given, and (B, 3, S, S) pixels: planes, on which PyTorch computes several times faster.

        Raises:
            DatasetError: an image cannot be read.
        """
        pool = ThreadPoolExecutor(self.workers)
        waiting: deque[tuple[Indices, Pixels, list[Future[None]]]] = deque()
        try:
            for indices in order:
                waiting.append(self._submit(pool, epoch, indices))
                while sum(len(batch) for batch, _, _ in waiting) - len(waiting[0][0]) >= _AHEAD:
                    yield _finished(waiting.popleft())
            while waiting:
                yield _finished(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _submit(
        self, pool: ThreadPoolExecutor, epoch: int, indices: Indices
    ) -> tuple[Indices, Pixels, list[Future[None]]]:
        pixels = np.empty((len(indices), 3, self.size, self.size), np.uint8)
        pieces = range(0, len(indices), _PIECE)
        return indices, pixels, [pool.submit(self._fill, epoch, indices, pixels, start) for start in pieces]

    def _fill(self, epoch: int, indices: Indices, pixels: Pixels, start: int) -> None:
        for row in range(start, min(start + _PIECE, len(indices))):
            index = int(indices[row])
            pixels[row] = self._draw(self.paths[index], partial(self._region, epoch, index)).transpose(2, 0, 1)

    def _region(self, epoch: int, index: int, width: int, height: int) -> Region:
        if self.augment:
            return training_region(width, height, self.size, seed=self.seed, epoch=epoch, index=index)
        return evaluation_region(width, height, self.size)


def _finished(batch: tuple[Indices, Pixels, list[Future[None]]]) -> tuple[Indices, Pixels]:
    indices, pixels, pieces = batch
    for piece in pieces:
        piece.result()
    return indices, pixels
