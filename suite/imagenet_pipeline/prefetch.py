"""Work for a device ahead of whoever needs it, beside what the device does meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


class Prefetcher:
    """Maker of tensors in the order asked for: on a GPU on a stream of their own, on the CPU when they are wanted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._thread = ThreadPoolExecutor(1) if device.type == "cuda" else None

    def submit(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Start work, which must not depend on anything that the caller's stream still computes.

        Returns:
            A function that returns its tensor, for use on the stream that is current then, or raises its error.
        """
        if self._thread is None:
            return work
        future = self._thread.submit(self._run, work)

        def result() -> Tensor:
            tensor, event = future.result()
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(event)
            # its memory is the other stream's: not to be given away before this one is done
            tensor.record_stream(stream)
            return tensor

        return result

    def close(self) -> None:
        """Drop what has not begun, and wait for the rest."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _run(self, work: Callable[[], Tensor]) -> tuple[Tensor, torch.cuda.Event]:
        stream = _side_stream(self._device)
        with torch.cuda.stream(stream):
            return work(), stream.record_event()


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return one stream for all, since each stream keeps memory of its own."""
    return torch.cuda.Stream(device)
