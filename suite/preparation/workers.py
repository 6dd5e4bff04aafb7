"""Processes that do the work, end with the command that started them, and show how far they are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection
from typing import TypeVar

from tqdm import tqdm

from suite.core.processors import usable_processors

A = TypeVar("A")
T = TypeVar("T")


class Workers:
    """A pool of processes; a `recipe.Parallel`."""

    def __init__(self, count: int | None, *, progress: bool) -> None:
        # forked: a spawned process would import the caller's main module again
        context = multiprocessing.get_context("fork")
        self._pool = ProcessPoolExecutor(count or usable_processors(), context, _start)
        self._progress = progress

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, task: Callable[[A], T], items: Sequence[A], title: str) -> Iterable[T]:
        """Return results of the task, in the order of its items, as they come."""
        results = self._pool.map(task, items, chunksize=max(1, min(16, len(items) // 16)))
        hidden = None if self._progress else True  # None: where stderr is no terminal
        return tqdm(results, title, len(items), unit="image", disable=hidden, leave=False)


def _start() -> None:
    """Set up a worker: Ctrl-C is the parent's to handle; a parent that was killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
