"""Checks on the submitting host, before anything waits in a queue: what can be told without the nodes or a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from suite.registry import EXPERIMENTS
from suite.run.folder import at_work, join_request
from suite.run.groups import ordered_groups
from suite.run.request import Request, check_writable
from suite.run.shards import Shard

MOST_SHARDS = 100
"""Shards where no number is asked for, at most: schedulers limit the jobs that a user may submit."""
_OF_ONE_MACHINE = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
"""File systems that no other machine sees, unless it mounts them by another name."""


def shard_count(request: Request, number: int | None) -> int:
    """Return the number of shards: as many as there are groups of trials, or fewer as asked for."""
    return min(len(ordered_groups(request)), number or MOST_SHARDS)


def probing_shards(request: Request, count: int) -> int:
    """Count the shards that begin with probes on augmented images, which several GPUs can share: the first ones."""
    first = [trials[0].partition("/")[0] for trials in ordered_groups(request)[:count]]
    kinds = [EXPERIMENTS[name].kind == "streamed probing" for name in first]
    return kinds.index(False) if False in kinds else len(kinds)


def prepare(request: Request, count: int, workers: int | None = None) -> None:
    """Make everything that shards expect: folders that can be written, the mini study's data, the run's own file.

    What lies on a disk of this machine alone, and data and weights that are missing, are said in a warning each.

    Raises:
        StorageError: a folder cannot be written.
        RequestError: the run folder is another request's.
        BusyError: a command that shares it with nobody is at work in it.
    """
    from suite.plan.pieces import pieces  # these bring torch along
    from suite.reproduction.measure import prepare_data

    for folder in (request.run, request.cache):
        check_writable(folder)
    for option, folder in (("--run", request.run), ("--cache", request.cache), ("--data", request.data)):
        kind = file_system(folder)
        if kind in _OF_ONE_MACHINE:
            _warn(f"{option} {folder}: lies on a disk of this machine ({kind}): every node must see it at {folder}")
    for piece in pieces(request):
        if not piece.there:
            _warn(f"{piece.name} is missing: {len(piece.cells)} cells will not be measured; {piece.how}")
    with at_work(request.run, join=True):
        join_request(request, option="launch")
        prepare_data(request, workers=workers)
        for number in range(1, count + 1):
            Shard(count, number).folder(request.run).mkdir(parents=True, exist_ok=True)


def file_system(folder: Path, partitions: Callable[..., Sequence[Any]] = psutil.disk_partitions) -> str:
    """Return the kind of file system that a folder lies on; empty where it cannot be told."""
    place = folder.resolve()
    mounts = [mount for mount in partitions(all=True) if place.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else ""


def _warn(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)
