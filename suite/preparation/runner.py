"""Preparation of a set: in a folder beside its place, a file at a time, put in place when it is whole.

A process killed at any moment leaves that folder, and the next one goes on from it. What is in place is only ever
replaced by a whole set, and only if it was made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.core.locks import HeldError, acquire
from suite.errors import DatasetError, RequestError, StorageError
from suite.preparation import PREPARED, require_prepared
from suite.preparation.ade20k_object import ADE20K_OBJECT
from suite.preparation.ade20k_part import ADE20K_PART
from suite.preparation.lip import LIP
from suite.preparation.making import Job, make
from suite.preparation.originals import find
from suite.preparation.pascal import PASCAL_OBJECT, PASCAL_PART
from suite.preparation.recipe import Listing
from suite.preparation.stamps import MANIFEST, STAMP, fingerprint, is_prepared_here, read_stamp, result_listing
from suite.preparation.workers import Workers

RECIPES = {recipe.name: recipe for recipe in (PASCAL_PART, PASCAL_OBJECT, ADE20K_OBJECT, ADE20K_PART, LIP)}


@dataclass(frozen=True)
class Prepared:
    """Content of a set's folder now.

    Attributes:
        name: the set.
        root: its folder.
        is_new: False where it was there already.
        manifest: its prepared.json.
    """

    name: str
    root: Path
    is_new: bool
    manifest: Mapping[str, Any]


def prepare(
    name: str, *, data: Path, originals: Path | None = None, workers: int | None = None, progress: bool = True
) -> Prepared:
    """Make the set `name` from its original releases, or leave it if it is there already.

    Args:
        name: one of `PREPARED`.
        data: the data folder; the set goes into the folder of its name.
        originals: folder of the original releases; `data`/originals unless given.
        workers: processes; one a processor unless given. The result does not depend on it.
        progress: show how far it is.

    Raises:
        RequestError: there is no such set, or less than one worker.
        DatasetError: an original is missing, or files of it cannot be used.
        StorageError: the folder holds a set that was not made here, another process is making it, or the disk
            refuses.
    """
    recipe, target = RECIPES[require_prepared(name)], data / name
    if workers is not None and workers < 1:
        raise RequestError(f"workers {workers}: expected at least 1")
    if target.exists() and not is_prepared_here(target):
        raise StorageError(
            f"{target}: expected nothing or a set made by `prepare`, found other files, perhaps the authors' own "
            "masks, which need no preparing: move them away or choose another data folder"
        )
    with _storage_errors(target):
        stamp = read_stamp(target / STAMP)
        is_current = bool(stamp) and stamp.get("result") == result_listing(target)
        try:
            roots = {need: find(need, data, originals or data / "originals") for need in PREPARED[name]}
        except DatasetError:
            if is_current:  # and nobody needs the originals any more
                return _existing(target)
            raise
        listing = recipe.list(roots)
        job = {"rule": recipe.rule, "sources": _fingerprint(listing, roots)}
        if is_current and stamp["job"] == job:
            return _existing(target)
        with _alone(target), Workers(workers, progress=progress) as run:
            record = make(Job(recipe, roots, listing, job), target, run)
        return Prepared(name, target, is_new=True, manifest=record)


def _existing(target: Path) -> Prepared:
    return Prepared(target.name, target, is_new=False, manifest=read_stamp(target / MANIFEST))


def _fingerprint(listing: Listing, roots: Mapping[str, Path]) -> str:
    """Take the `fingerprint` of a listing's files, by their paths within the originals, so that these may move."""
    paths = [*listing.index, *(path for item in listing.items for path in (item.image, *item.sources))]
    return fingerprint((path, root) for path in paths for root in roots.values() if path.is_relative_to(root))


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock that allows one process a set."""
    try:
        lock = acquire(target.with_name(f".{target.name}.lock"))
    except HeldError as error:
        raise StorageError(f"{target}: {error.holders} is preparing it: wait for it to end") from error
    try:
        yield
    finally:
        lock.close()


@contextmanager
def _storage_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise StorageError(
            f"{target}: a worker was killed, so memory may be short: run the same command again, with fewer workers; "
            "what had finished is kept"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written ({error.strerror or error}): free space or choose another data folder"
        ) from error
