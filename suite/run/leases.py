"""One GPU for each process of a run, whoever else works on the machine.

A lease is a locked file in a folder of the machine, named by the GPU's UUID: two runs never get the same GPU, whatever
their folders and whatever CUDA_VISIBLE_DEVICES grants each, and a lease ends with its process, however that ends.
Containers have such a folder each and do not see one another's leases.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core.locks import HeldError, Lock, acquire
from suite.core.machine_folders import for_everybody
from suite.errors import BusyError, RequestError

_LOOK_S = 1.0
"""Seconds between two looks for a free GPU."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that CUDA_VISIBLE_DEVICES grants.

    Attributes:
        index: from 0 among those that are granted.
        uuid: of the GPU, or of its MIG instance, without `GPU-` or `MIG-`.
    """

    index: int
    uuid: str

    def __str__(self) -> str:
        return f"GPU {self.index} ({self.uuid})"


@dataclass(frozen=True)
class Lease:
    """A GPU that no other process of the suite on this machine uses.

    Attributes:
        index: from 0, among those that CUDA_VISIBLE_DEVICES grants.
        lock: closing it gives the GPU back.
    """

    index: int
    lock: Lock

    def close(self) -> None:
        """Give the GPU back."""
        self.lock.close()


LEASES: list[Lease] = []
"""GPUs of this process, as long as it lives."""


def granted_gpus() -> list[Gpu]:
    """List the GPUs that this process may use, in CUDA's order; initialises CUDA in it, but no GPU."""
    import torch

    # CUDA gives a process one MIG instance, and the variable alone surely names it
    words = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = [word.strip() for word in words if word.strip().startswith("MIG-")]
    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    return [Gpu(index, plain_uuid(name)) for index, name in enumerate(names[: len(uuids)] or uuids)]


def plain_uuid(text: str) -> str:
    """Return a UUID as CUDA, NVML and CUDA_VISIBLE_DEVICES spell it, in one spelling that is fit for a file's name."""
    text = text.lower().removeprefix("gpu-").removeprefix("mig-")
    return "".join(character if character.isalnum() or character == "-" else "_" for character in text)


def lease(
    count: int = 1,
    *,
    wait: bool = False,
    gpus: Callable[[], Sequence[Gpu]] = granted_gpus,
    folder: Path | None = None,
) -> list[Lease]:
    """Take free GPUs, all that are asked for or none, so that two processes never wait for each other's.

    Args:
        count: so many.
        wait: until so many are free, and say so once.
        gpus: lists those that this process may use.
        folder: of the locks; None for the machine's.

    Raises:
        RequestError: more are asked for than there are.
        BusyError: too few are free; the message names who holds the others.
        StorageError: the folder has no locks.
    """
    choices, folder, has_spoken = gpus(), folder or machine_folder(), False
    if count > len(choices):
        raise RequestError(f"processes per probe {count}: expected at most {len(choices)}, the GPUs that are granted")
    while True:
        leases, busy = _take(count, choices, folder)
        if len(leases) == count:
            return leases
        for taken in leases:
            taken.close()
        if not wait:
            raise BusyError(
                f"expected {count} free of {len(choices)} GPUs, got {len(leases)}: {'; '.join(busy)}: "
                "start fewer workers, wait, or grant other GPUs by CUDA_VISIBLE_DEVICES"
            )
        if not has_spoken:
            print(f"waiting for {count} of {len(choices)} GPUs: {'; '.join(busy)}", file=sys.stderr, flush=True)
        has_spoken = True
        time.sleep(_LOOK_S)


def free_gpus(count: int = 1) -> tuple[int, list[str]]:
    """Look at the GPUs for a run that is about to begin.

    Args:
        count: GPUs that each of its processes takes.

    Returns:
        How many are free, and who holds each of the others.

    Raises:
        BusyError: less than `count` are free.
        StorageError: the folder has no locks.
    """
    gpus, folder = granted_gpus(), machine_folder()
    leases, busy = _take(len(gpus), gpus, folder)
    for taken in leases:
        taken.close()
    if len(leases) < count:
        raise BusyError(
            f"expected {count} free of {len(gpus)} GPUs, got {len(leases)}: {'; '.join(busy)}: "
            "wait, grant other GPUs by CUDA_VISIBLE_DEVICES, or pass DEVICE=cpu"
        )
    return len(leases), busy


def machine_folder() -> Path:
    """Return the folder of the machine's leases; every user may lock files in it."""
    return for_everybody("part-aware-repro-gpus")


def _take(count: int, gpus: Sequence[Gpu], folder: Path) -> tuple[list[Lease], list[str]]:
    """Take up to `count` free GPUs; say who holds those that were passed over."""
    leases: list[Lease] = []
    busy: list[str] = []
    for gpu in gpus:
        if len(leases) == count:
            break
        try:
            leases.append(Lease(gpu.index, acquire(folder / f"{gpu.uuid}.lock", mode=0o666, required=True)))
        except HeldError as error:
            busy.append(f"{gpu} is held by {error.holders}")
    return leases, busy
