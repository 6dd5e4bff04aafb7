"""One probe on several processes, so that what it learns does not depend on how many they are.

Every process encodes its share of a global batch and pools it to one vector an item. The vectors, a few megabytes,
are gathered, and every process does all that couples items (batch norm, loss) on all of them, in the same order: no
statistics are approximated. Only the gradients of what comes before the pooling are summed over processes.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its __all__

from suite.core.memory import backoffs, is_out_of_memory, note_backoff
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.errors import RequestError

T = TypeVar("T")
_PATIENCE_S = 10
"""Seconds for the other processes to end after this one has done its part."""
_SHORT = "out of memory"
"""Key of what a process says that memory had no room for."""
_BACKOFFS = "backoffs"
"""Key of what a process had to do less of at a time, with its rank behind it."""


@dataclass(frozen=True)
class World:
    """The processes that train one probe together.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def share(self, items: Tensor) -> Tensor:
        """Return this process's part of a global batch: consecutive items, in order."""
        return items.tensor_split(self.size)[self.rank]

    def span(self, total: int) -> slice:
        """Return this process's slice of `total` items."""
        shortest, longer = divmod(total, self.size)
        start = self.rank * shortest + min(self.rank, longer)
        return slice(start, start + shortest + (self.rank < longer))

    def gather(self, local: Tensor, total: int) -> Tensor:
        """Gather (total, ...) rows of all processes, in the order of their ranks, from each one's share.

        Raises:
            RequestError: a process brought other rows than its share.
        """
        place = self.span(total)
        if len(local) != place.stop - place.start:
            raise RequestError(
                f"process {self.rank}: expected {place.stop - place.start} of {total} rows, got {len(local)}"
            )
        if self.size == 1:
            return local
        # shares differ by one row at most, and gloo wants them alike
        longest = -(-total // self.size)
        padded = torch.cat([local, local.new_zeros(longest - len(local), *local.shape[1:])])
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        lengths = [World(rank, self.size).span(total) for rank in range(self.size)]
        return torch.cat([part[: span.stop - span.start] for part, span in zip(parts, lengths, strict=True)])

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def agree(self, answer: bool) -> bool:
        """Tell whether any process says so: a signal may reach one of them only."""
        if self.size == 1:
            return answer
        votes = torch.tensor([int(answer)])
        if dist.get_backend() == "nccl":
            votes = votes.cuda()
        dist.all_reduce(votes)
        return bool(votes.item())


ALONE = World()


def run_together(size: int, device: str, gpus: Sequence[int], work: Callable[..., T], *arguments: object) -> T:
    """Do the same in this process, as the first, and in others that end with it; return what this one returns.

    Args:
        size: how many processes; 1 does it here.
        device: "cuda" for NCCL, one GPU a process; anything else for gloo.
        gpus: index of each process's GPU, this one's first.
        work: called with the arguments and this process's `World`; must be picklable, as they must.
        arguments: the same for all.

    Raises:
        RequestError: one of the other processes failed; its own message went to stderr.
        RuntimeError: memory had no room for this one's work (see `is_out_of_memory`).
        MemoryError: it had none for another one's.
    """
    if size == 1:
        return work(*arguments, ALONE)
    store = TCPStore("127.0.0.1", 0, size, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    places = [None, *gpus[1:size]] if device == "cuda" else [None] * size
    processes = [
        context.Process(target=_follow, args=((rank, size, store.port), places[rank], work, arguments), daemon=True)
        for rank in range(1, size)
    ]
    try:
        for process in processes:
            process.start()
        with group(store, 0, size, device) as world:
            answer = work(*arguments, world)
    except (dist.DistError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        if store.check([_SHORT]):
            raise MemoryError(store.get(_SHORT).decode()) from error
        ended = [p.exitcode for p in processes if not p.is_alive()]
        raise RequestError(
            f"distributed: expected {size} processes to the end, got exit codes {ended} of others: {error}"
        ) from error
    finally:
        for process in processes:
            process.join(_PATIENCE_S)
            process.kill()
    for key in (f"{_BACKOFFS} {rank}" for rank in range(1, size)):
        for text in json.loads(store.get(key)) if store.check([key]) else ():
            note_backoff(text)
    return answer


def _follow(
    place: tuple[int, int, int], gpu: int | None, work: Callable[..., object], arguments: Sequence[object]
) -> None:
    """Run another process, of (rank, size, port)."""
    rank, size, port = place
    store = TCPStore("127.0.0.1", port, size, is_master=False)
    exact_convolutions()
    if gpu is not None:
        torch.cuda.set_device(gpu)
    else:
        torch.set_num_threads(max(1, usable_processors() // size))
    with contextlib.suppress(KeyboardInterrupt), group(store, rank, size, "cpu" if gpu is None else "cuda") as world:
        try:
            with backoffs() as told:
                work(*arguments, world)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):  # said before the group ends, by which the others notice
                store.set(_SHORT, f"process {rank + 1} of {size}: {error}")
            raise
        store.set(f"{_BACKOFFS} {rank}", json.dumps([f"process {rank + 1} of {size}: {text}" for text in told()]))


@contextmanager
def group(store: TCPStore, rank: int, size: int, device: str) -> Iterator[World]:
    """Be one of the processes that share a store: by NCCL on GPUs, the current one is this process's, else by gloo."""
    dist.init_process_group("nccl" if device == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield World(rank, size)
    finally:
        dist.destroy_process_group()
