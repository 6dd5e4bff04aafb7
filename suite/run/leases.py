"""One GPU for each of a run's processes: a lease is a locked file, which ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from suite.errors import RequestError, StorageError


@dataclass(frozen=True)
class Lease:
    """A device that no other process of the run uses.

    Attributes:
        index: of the device, from 0, among those that CUDA_VISIBLE_DEVICES grants.
        file: its lock; closing it gives the device back.
    """

    index: int
    file: IO[str]

    def close(self) -> None:
        """Give the device back."""
        self.file.close()


LEASES: list[Lease] = []
"""Devices of this process, as long as it lives: of several processes on a machine's GPUs each has its own."""


def lease(folder: Path, devices: Sequence[int]) -> Lease:
    """Take the first free device.

    Args:
        folder: of the run's locks; processes that look into the same one never get the same device.
        devices: indices to choose from.

    Raises:
        RequestError: all are taken, so more processes were started than there are devices.
        StorageError: the folder cannot be written.
    """
    for index in devices:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / f"{index}.lock").open("a")
        except OSError as error:
            raise StorageError(f"{folder}: cannot be written: {error.strerror or error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return Lease(index, file)
    raise RequestError(
        f"{folder}: expected a free device for every process, got all {len(devices)} leased: start fewer workers"
    )
