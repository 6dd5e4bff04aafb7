"""Memory that this process may still take: what machine or GPU has free, less where a container sets a limit."""

from __future__ import annotations

import ctypes
import gc
import re
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil

if TYPE_CHECKING:
    import torch

KERNEL = Path("/proc/vmstat")
PROC = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")

T = TypeVar("T")
R = TypeVar("R")
_REFUSED = re.compile(r"out of memory|_alloc_failed|can.?t allocate memory|not enough memory", re.IGNORECASE)
"""Texts of torch's errors where CUDA, cuBLAS, cuDNN, Triton or the machine had no room."""
_BACKOFFS: list[str] = []
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`."""
_SHORT = 0.9
"""Share of memory in use from which a process that is killed was most likely killed for it."""


@dataclass(frozen=True)
class MemoryUse:
    """Memory of the machine, or of the container where its limit is lower, at one moment.

    Attributes:
        used: bytes in use.
        total: bytes there are.
        kills: processes that the kernel has killed for want of memory since it started, as far as can be seen.
    """

    used: int
    total: int
    kills: int

    @property
    def is_short(self) -> bool:
        """Whether so little is left that the kernel may kill."""
        return self.used >= _SHORT * self.total

    def __str__(self) -> str:
        return f"{self.used / 2**30:.1f} of {self.total / 2**30:.1f} GiB"


def memory_use() -> MemoryUse:
    """Look at the machine's memory now; takes a fraction of a millisecond."""
    machine = psutil.virtual_memory()
    uses = [(machine.total, machine.total - machine.available)]
    uses += [(limit, used) for limit, used in _groups() if limit < machine.total]
    total, used = min(uses, key=lambda pair: pair[0] - pair[1])
    return MemoryUse(used, total, _kills())


@dataclass(frozen=True)
class MemoryMark:
    """Memory of this process since a moment, so that what an earlier trial took is not told again.

    Attributes:
        start: bytes that were resident at that moment: what was imported, and what is kept for later trials.
    """

    start: int

    def peak(self) -> int:
        """Return the largest resident size since then, in bytes; the process's where the kernel keeps no other."""
        return max(self.start, _resident("VmHWM")) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def mark_memory() -> MemoryMark:
    """Set the kernel's mark of the largest resident size back to what is needed now.

    What earlier work has freed is given back first: the allocator keeps it otherwise, and it counts as resident.

    Source: Linux, Documentation/filesystems/proc.rst (`clear_refs`, `VmHWM`); glibc, `malloc_trim`.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return MemoryMark(_resident("VmRSS"))


def keep_freed_memory() -> None:
    """Let the allocator use again what has been freed, up to a gibibyte, rather than give it back.

    The kernel clears every page that it gives to a process, and a new process has none yet: for a trial of the mini
    study that was 2 of 13 s (decision 11). Also holds for processes forked from this one.

    Source: glibc, `mallopt` (malloc.h), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
    """
    with suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, 1 << 30)
        library.mallopt(_MMAP_THRESHOLD, 1 << 30)


def _resident(counter: str) -> int:
    rows = (line.split() for line in _text(Path("/proc/self/status")).splitlines())
    return next((int(row[1]) * 1024 for row in rows if row[:1] == [f"{counter}:"]), 0)


def available_bytes() -> int:
    """Return the bytes that can be taken without swapping or being killed."""
    return max(0, min([psutil.virtual_memory().available, *(limit - used for limit, used in _groups())]))


def free_device_bytes(device: torch.device | str) -> int:
    """Return the bytes tensors on a GPU can take, with those PyTorch holds back for later ones; 0 on the CPU."""
    import torch  # what merely looks at the machine's memory needs none

    if torch.device(device).type != "cuda":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def total_device_bytes(device: torch.device | str) -> int:
    """Return the bytes of a GPU, asked for without taking any; 0 on the CPU, and of a GPU that is not here."""
    import torch

    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(device).total_memory)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the machine or a GPU had no room for what was asked for."""
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    import torch

    return isinstance(error, torch.OutOfMemoryError) or _REFUSED.search(str(error)) is not None


def release_memory() -> None:
    """Give back what PyTorch holds of a GPU for later tensors: pieces that are too small for the next one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_parts(items: Sequence[T], work: Callable[[Sequence[T]], R], what: str) -> list[R]:
    """Work on all items at once, or where memory has no room for that on one half and then on the other.

    Args:
        items: one or more; none depends on the others.
        work: begins anew when it is called.
        what: the items are called, e.g. "probes".

    Returns:
        Answers for the parts, in order.

    Raises:
        RuntimeError: there is no room for a single one (see `is_out_of_memory`), or something else.
        MemoryError: likewise.
    """
    try:
        return [work(items)]
    except (RuntimeError, MemoryError) as error:
        if len(items) < 2 or not is_out_of_memory(error):
            raise
    release_memory()  # out of the clause above, since the error holds on to what was in work
    note_backoff(f"{what} in parts of half as many as {len(items)}, for which memory had no room")
    half = -(-len(items) // 2)
    return [*in_parts(items[:half], work, what), *in_parts(items[half:], work, what)]


def note_backoff(text: str) -> None:
    """Remember that less was done at a time, for want of memory."""
    _BACKOFFS.append(text)


@contextmanager
def backoffs() -> Iterator[Callable[[], list[str]]]:
    """Yield what returns the texts of `note_backoff` since the block began, each once."""
    first = len(_BACKOFFS)
    yield lambda: list(dict.fromkeys(_BACKOFFS[first:]))


def _groups() -> Iterator[tuple[int, int]]:
    """List limit and use of each control group above this process; files read can be dropped, so they count as free.

    Version 2 has one tree, version 1 one for memory. A container often sees its own group as the root.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    for folder, legacy in _folders():
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if legacy
            else ("memory.max", "memory.current", "inactive_file")
        )
        most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
        if most.isdigit() and used.isdigit():
            yield int(most), int(used) - _counter(_text(folder / "memory.stat"), cache)


def _folders() -> Iterator[tuple[Path, bool]]:
    """List the folders of the control groups of this process, and whether each is of version 1."""
    for line in _text(PROC).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = MOUNT / "memory" if controllers else MOUNT
        group = root / path.strip("/")
        for folder in (group, *(above for above in group.parents if above.is_relative_to(root))):
            yield folder, bool(controllers)


def _kills() -> int:
    """Count processes that the kernel has killed for want of memory, of the machine or of a group."""
    events = (folder / ("memory.oom_control" if legacy else "memory.events") for folder, legacy in _folders())
    return max(_counter(_text(file), "oom_kill") for file in (KERNEL, *events))


def _counter(stat: str, name: str) -> int:
    rows = (line.split() for line in stat.splitlines())
    return next((int(row[1]) for row in rows if len(row) == 2 and row[0] == name), 0)


def _text(path: Path) -> str:
    """Read a file of the kernel's; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""
