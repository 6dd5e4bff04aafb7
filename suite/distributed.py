"""One probe on several processes, so that what it learns does not depend on how many they are.

Every process encodes its share of a global batch and pools it to one vector an item. The vectors, a few megabytes,
are gathered, and every process does all that couples items (batch norm, loss) on all of them, in the same order: no
statistics are approximated. Only the gradients of what comes before the pooling are summed over processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from suite.errors import RequestError


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
        """This process's part of a global batch: consecutive items, in order."""
        return items.tensor_split(self.size)[self.rank]

    def span(self, total: int) -> slice:
        """Where this process's share lies among `total` items."""
        small, more = divmod(total, self.size)
        start = self.rank * small + min(self.rank, more)
        return slice(start, start + small + (self.rank < more))

    def gather(self, local: Tensor, total: int) -> Tensor:
        """(total, ...) rows of all processes, in the order of their ranks, from each one's share.

        Raises:
            RequestError: a process brought other rows than its share.
        """
        own = self.span(total)
        if len(local) != own.stop - own.start:
            raise RequestError(
                f"process {self.rank}: expected {own.stop - own.start} of {total} rows, got {len(local)}"
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
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def agree(self, answer: bool) -> bool:
        """Whether any process says so: a signal may reach one of them only."""
        if self.size == 1:
            return answer
        votes = torch.tensor([int(answer)])
        if dist.get_backend() == "nccl":
            votes = votes.cuda()
        dist.all_reduce(votes)
        return bool(votes.item())


ALONE = World()


@contextmanager
def joined(device: str = "cpu") -> Iterator[World]:
    """Join the processes that `torchrun` (or anything that sets its variables) has started; alone without them.

    Args:
        device: "cuda" for NCCL, one GPU a process; anything else for gloo.

    Raises:
        RequestError: the variables are there in part, or the others cannot be reached.
    """
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if name not in os.environ]
    if len(missing) == len(names) or os.environ.get("WORLD_SIZE") == "1":
        yield ALONE
        return
    if missing:
        raise RequestError(f"distributed: expected {', '.join(names)}, {', '.join(missing)} missing; start by torchrun")
    try:
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        raise RequestError(f"distributed: the other processes cannot be reached: {error}") from error
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
