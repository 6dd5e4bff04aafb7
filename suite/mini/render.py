"""Drawing the mini study's data: the same bytes on every run, each dataset written whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from suite.core.listing import is_empty, take_along
from suite.core.locks import waited_for
from suite.core.processors import usable_processors
from suite.errors import StorageError
from suite.mini.datasets import cifar10, coco, cub200, imagenet1k, segmentation
from suite.mini.datasets.base import Parallel
from suite.mini.digests import recorded_digests, tree_digest

T = TypeVar("T")

WRITERS: dict[str, Callable[[Path, Parallel, float], None]] = {
    "cifar10": cifar10.write,
    "coco": coco.write,
    "cub200": cub200.write,
    "imagenet1k": imagenet1k.write,
    **{name: partial(segmentation.write, name=name) for name in segmentation.SETS},
}
"""Every dataset, and what writes it into a new folder."""

STAMP = ".rendered.json"


@dataclass(frozen=True)
class Rendered:
    """Content of a dataset's folder now.

    Attributes:
        name: the dataset.
        digest: SHA-256 of its files' relative paths and content.
        recorded: the digest in `digests.toml`; empty where there is none.
        drawn: False where it was there already.
    """

    name: str
    digest: str
    recorded: str
    drawn: bool

    @property
    def as_recorded(self) -> bool:
        """Return False where other versions of NumPy or Pillow drew other bytes: recorded values do not apply."""
        return self.digest == self.recorded


def render(
    data: Path,
    *,
    names: Sequence[str] = tuple(WRITERS),
    workers: int | None = None,
    progress: bool = True,
    share: float = 1.0,
) -> list[Rendered]:
    """Draw the datasets that are missing, damaged or out of date; leave the others as they are.

    Args:
        data: the data folder; each dataset goes into the folder of its name.
        names: the datasets.
        workers: processes; one a processor unless given. The bytes do not depend on it.
        progress: show a bar per dataset.
        share: how much of each dataset to draw; 1 and `digests.SAMPLE` have recorded digests.

    Raises:
        StorageError: the folder cannot be written or holds a dataset that was not drawn here, or a process was
            killed.
    """
    recorded = recorded_digests(share)
    stamps = {name: {"recorded": recorded.get(name, ""), "share": share} for name in names}
    with _storage_errors(data):
        # where nothing is to be drawn nobody waits, and the folder may be read-only
        intact = {name: _intact_now(data / name, stamp) for name, stamp in stamps.items()}
        if all(intact.values()):
            return [Rendered(name, digest, recorded.get(name, ""), drawn=False) for name, digest in intact.items()]
        with waited_for(lock_of(data), f"{data}: drawing the mini data"), _Workers(workers, progress) as run:
            return [_ensure(data / name, run, stamp, intact[name]) for name, stamp in stamps.items()]


def lock_of(data: Path) -> Path:
    """Return the file that is locked while datasets are drawn: beside the data folder, in it where that is read-only.

    The data folder holds data alone, but a container may be given nothing else.
    """
    data = data.resolve()  # two links to one folder mean one lock
    parent = next(parent for parent in data.parents if parent.exists())
    return data.with_name(f".{data.name}.lock") if os.access(parent, os.W_OK) else data / ".drawing.lock"


def _ensure(folder: Path, run: _Workers, stamp: Mapping[str, object], digest: str) -> Rendered:
    """Draw a dataset unless it is known to be intact, or another process has drawn it meanwhile."""
    digest_before = digest or _intact(folder, stamp)
    digest = digest_before or _draw(folder, run, stamp)
    return Rendered(folder.name, digest, str(stamp["recorded"]), drawn=not digest_before)


def _intact_now(folder: Path, stamp: Mapping[str, object]) -> str:
    """Return what `_intact` does; "" also while another process puts the folder in place."""
    try:
        return _intact(folder, stamp)
    except FileNotFoundError:
        return ""


def _intact(folder: Path, stamp: Mapping[str, object]) -> str:
    """Return the digest of a folder drawn here and unchanged since; "" where it must be drawn."""
    if not folder.exists() or is_empty(folder):
        return ""
    path = folder / STAMP
    if not path.exists():
        raise StorageError(
            f"{folder}: expected drawings of the mini study, found other files: "
            "move them away or choose another data folder"
        )
    digest = tree_digest(folder)
    return digest if _read(path) == {**stamp, "digest": digest} else ""


def _read(stamp: Path) -> object:
    try:
        return json.loads(stamp.read_bytes())
    except ValueError:  # damaged: draw again
        return None


def _draw(folder: Path, run: _Workers, stamp: Mapping[str, object]) -> str:
    """Draw beside the folder, then put it in place."""
    # a new name each time: processes that a killed one has left behind go on for a moment
    part, old = (folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.{word}") for word in ("partial", "old"))
    for leftover in (path for word in ("partial", "old") for path in folder.parent.glob(f".{folder.name}.*{word}")):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        run.title = folder.name
        WRITERS[folder.name](part, run, float(str(stamp["share"])))
        digest = tree_digest(part)
        (part / STAMP).write_text(json.dumps({**stamp, "digest": digest}))
        take_along(folder, part)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return digest


class _Workers:
    """A pool of processes that shows how far a dataset is."""

    def __init__(self, count: int | None, progress: bool) -> None:
        # forked: a spawned process would import the caller's main module again; drawing needs no threads
        context = multiprocessing.get_context("fork")
        size = count or usable_processors()
        self._pool = ProcessPoolExecutor(size, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        self._progress = progress
        self.title = ""

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, task: Callable[[int], T], count: int) -> list[T]:
        results = self._pool.map(task, range(count), chunksize=max(1, min(16, count // 8)))
        hidden = None if self._progress else True  # None: where stderr is no terminal
        bar = tqdm(results, self.title, count, unit="image", disable=hidden, leave=False)
        return list(bar)


@contextmanager
def _storage_errors(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{data}: cannot write the mini data ({error.strerror or error}): "
            "make room, or choose a data folder that can be written"
        ) from error
    except BrokenProcessPool as error:
        raise StorageError(
            f"{data}: a drawing process was killed: expected it to finish, so memory may be short: "
            "run it again, with fewer workers"
        ) from error
