"""Work for a device ahead of whoever needs it, beside what the device does meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Prefetcher:
    """Maker of tensors in the order asked for: on a GPU on a stream of their own, on the CPU when they are wanted."""

    def __init__(self, device: torch.device, *, threaded: bool | None = None) -> None:
        """Begin; nothing is made yet.

        Args:
            device: where the tensors are.
            threaded: make them in a thread ahead; None for on a GPU only: the CPU has enough to do.
        """
        if device == torch.device("cuda"):  # "the current one", which is another in another thread
            device = torch.device("cuda", torch.cuda.current_device())
        self._device = device
        is_threaded = device.type == "cuda" if threaded is None else threaded
        self._thread = ThreadPoolExecutor(1) if is_threaded else None

    def submit(self, work: Callable[[], T], tensors: Callable[[T], Iterable[Tensor]]) -> Callable[[], T]:
        """Start work, which must not depend on anything that the caller's stream still computes.

        Args:
            work: makes something of tensors.
            tensors: lists them.

        Returns:
            A function that returns what was made, for use on the stream that is current then, or raises its error.
        """
        if self._thread is None:
            return work
        future = self._thread.submit(self._run, work)

        def result() -> T:
            made, event = future.result()
            if event is not None:
                stream = torch.cuda.current_stream(self._device)
                stream.wait_event(event)
                for tensor in tensors(made):
                    # its memory is the other stream's: not to be given away before this one is done
                    tensor.record_stream(stream)
            return made

        return result

    def close(self) -> None:
        """Drop what has not begun, and wait for the rest."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _run(self, work: Callable[[], T]) -> tuple[T, torch.cuda.Event | None]:
        if self._device.type != "cuda":
            return work(), None
        stream = _side_stream(self._device)
        with torch.cuda.stream(stream):
            return work(), stream.record_event()


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return one stream for all, since each stream keeps memory of its own."""
    return torch.cuda.Stream(device)
