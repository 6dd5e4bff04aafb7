"""Training crops made ahead of the steps that need them, so that a step waits for no work of the host.

Choosing windows asks the device what they show and waits for the answer: in the order of the steps, the card would
idle meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from suite.imagenet_pipeline.prefetch import Prefetcher
from suite.segmentation.batch import Batch

AHEAD = 2
"""Batches made ahead: one for the next step, and one so that a slow image delays none."""


class CropsAhead:
    """Batch of each step, `crops(step)`, the same as without; on a GPU the next steps' are made meanwhile.

    They are made by one thread, on a stream beside the one that learns. Steps may be asked for in any order; what was
    made ahead and is not asked for next is dropped.
    """

    def __init__(
        self, crops: Callable[[int], Batch], steps: int, device: torch.device | str, *, threaded: bool | None = None
    ) -> None:
        """Begin; nothing is made before a step is asked for.

        Args:
            crops: step -> its batch, whatever was asked for before.
            steps: of the training; none beyond is made ahead.
            device: of the batches.
            threaded: make them ahead; None for on a GPU only.
        """
        self._crops, self._steps = crops, steps
        self._prefetcher = Prefetcher(torch.device(device), threaded=threaded)
        self._waiting: dict[int, Callable[[], Batch]] = {}

    def __enter__(self) -> CropsAhead:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what was made ahead, and wait for what is being made."""
        self._waiting.clear()
        self._prefetcher.close()

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step.

        Raises:
            DatasetError: an image that it needs is damaged.
        """
        needed = (step, *range(step + 1, min(step + 1 + AHEAD, self._steps)))
        self._waiting = {number: self._waiting.get(number) or self._begin(number) for number in needed}
        return self._waiting.pop(step)()

    def _begin(self, step: int) -> Callable[[], Batch]:
        return self._prefetcher.submit(partial(self._crops, step), Batch.tensors)
