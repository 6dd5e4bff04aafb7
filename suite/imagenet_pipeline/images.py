"""Augmented images in batches, made ahead: read and decoded by threads, finished on the device beside the encoder.

Decoders and resizing leave Python's lock alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.core.processors import usable_processors
from suite.datasets.pixels import Resize
from suite.errors import RequestError, unknown
from suite.imagenet_pipeline.augment import draw_crops, evaluation_region, training_region
from suite.imagenet_pipeline.decode import DECODERS, Decoder, RegionOf, exact
from suite.imagenet_pipeline.device import Decoded, DeviceDecoder, Encoded
from suite.imagenet_pipeline.prefetch import Prefetcher

_PIECE = 8
"""Images a thread takes at a time."""
_AHEAD = 2048
"""Images that may be decoded before they are asked for, besides the batch in work: 300 MB at 224 pixels."""

Indices = NDArray[np.int64]
Draws = NDArray[np.float32] | None
"""Draws of `draw_crops`; None without augmentation."""


class ImageStream:
    """N images, from which any may be asked for, at any epoch; the same pixels come every time.

    Attributes:
        decoded: with the decoder `device`, how many images were decoded so far by `device`, `libjpeg` and `PIL`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        size: int,
        *,
        augment: bool,
        seed: int = 0,
        decoder: Decoder = "fast",
        workers: int | None = None,
        device: torch.device | str = "cpu",
        resize: Resize | None = None,
        whole: bool = False,
    ) -> None:
        """Say what is wanted; nothing is read yet.

        Args:
            paths: N files.
            size: S, side of the squares, pixels.
            augment: random-resized crop and mirror image; False for the centre crop of evaluation.
            seed: of the augmentation.
            decoder: `fast` or `device` only where `suite.imagenet_pipeline.parity` allows it.
            workers: threads; None for one per core that this process may use. The pixels do not depend on it.
            device: where the pixels are wanted.
            resize: another way of resizing, for a diagnostic factor: by PIL, whatever the decoder.
            whole: see `evaluation_region`, likewise.

        Raises:
            RequestError: no images, no such decoder, or no worker.
        """
        if not paths:
            raise RequestError("image stream: expected at least one image, got none")
        if decoder not in (*DECODERS, "device"):
            raise unknown("decoder", decoder, (*DECODERS, "device"))
        self.workers = usable_processors() if workers is None else workers
        if self.workers < 1:
            raise RequestError(f"image stream: expected at least 1 worker, got {workers}")
        self.paths, self.size, self.augment, self.seed = paths, size, augment, seed
        self.device = torch.device(device)
        if self.device == torch.device("cuda"):  # "the current one", which is another in another thread
            self.device = torch.device("cuda", torch.cuda.current_device())
        self._draw = DECODERS.get(decoder) if resize is None else partial(exact, resize=resize)
        self._whole = whole
        self._decoder = DeviceDecoder(self.device)
        self.decoded: Counter[str] = self._decoder.decoded

    def __len__(self) -> int:
        return len(self.paths)

    def batches(self, epoch: int, order: Iterable[Indices]) -> Iterator[tuple[Indices, Tensor]]:
        """Decode and augment, some batches ahead of whoever asks.

        Args:
            epoch: from 0; decides the augmentation.
            order: the images of each batch.

        Yields:
            (B,) indices as given, and (B, 3, S, S) uint8 on the device: planes, on which PyTorch computes several
            times faster.

        Raises:
            DatasetError: an image cannot be read.
        """
        draws = draw_crops(len(self), seed=self.seed, epoch=epoch) if self.augment else None
        start = partial(torch.cuda.set_device, self.device) if self.device.type == "cuda" else None
        pool, ahead = ThreadPoolExecutor(self.workers, initializer=start), Prefetcher(self.device)
        waiting: deque[tuple[Indices, Callable[[], Tensor]]] = deque()
        try:
            for batch in order:
                waiting.append((batch, ahead.submit(self._begin(pool, draws, batch), lambda pixels: [pixels])))
                while sum(len(indices) for indices, _ in waiting) - len(waiting[0][0]) >= _AHEAD:
                    indices, pixels = waiting.popleft()
                    yield indices, pixels()
            while waiting:
                indices, pixels = waiting.popleft()
                yield indices, pixels()
        finally:
            pool.shutdown(cancel_futures=True)
            ahead.close()

    def _begin(self, pool: ThreadPoolExecutor, draws: Draws, indices: Indices) -> Callable[[], Tensor]:
        """Set the threads to work on a batch; what is returned waits for them, and does the rest."""
        if not len(indices):  # a process's share of a small batch
            return lambda: torch.empty(0, 3, self.size, self.size, dtype=torch.uint8, device=self.device)
        pieces = [indices[start : start + _PIECE] for start in range(0, len(indices), _PIECE)]
        if self._draw is None:
            loaded = [pool.submit(self._load, draws, piece) for piece in pieces]
            return lambda: self._decoder.pixels([image for piece in loaded for image in piece.result()])
        locked = self.device.type == "cuda"  # page-locked memory is copied while the device computes
        pixels = torch.empty(len(indices), 3, self.size, self.size, dtype=torch.uint8, pin_memory=locked)
        filled = [pool.submit(self._fill, draws, *work) for work in zip(pieces, pixels.split(_PIECE), strict=True)]

        def finish() -> Tensor:
            for piece in filled:
                piece.result()
            return pixels.to(self.device, non_blocking=True)

        return finish

    def _load(self, draws: Draws, indices: Indices) -> list[Encoded | Decoded]:
        return [self._decoder.load(self.paths[i], self._region_of(draws, i)) for i in indices.tolist()]

    def _fill(self, draws: Draws, indices: Indices, pixels: Tensor) -> None:
        assert self._draw is not None
        for row, i in zip(pixels.numpy(), indices.tolist(), strict=True):
            row[:] = self._draw(self.paths[i], self._region_of(draws, i)).transpose(2, 0, 1)

    def _region_of(self, draws: Draws, index: int) -> RegionOf:
        if draws is None:
            return partial(evaluation_region, size=self.size, whole=self._whole)
        return partial(training_region, size=self.size, draws=draws[index])
