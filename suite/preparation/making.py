"""Production of one set, in a folder beside its place: a file at a time, then the record, then the move."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from suite.core.files import write_atomically, write_json
from suite.core.listing import take_along
from suite.errors import StorageError
from suite.preparation.images import link_or_copy, png
from suite.preparation.problems import all_good, attempt
from suite.preparation.recipe import Entry, Item, Listing, Mask, Parallel, Recipe
from suite.preparation.stamps import MANIFEST, STAMP, content_key, manifest, read_stamp, result_listing

MASK_BYTES = 16 * 1024
"""Bytes to expect of a mask on disk, at most on average; those of scene parsing take about 4 KB."""


@dataclass(frozen=True)
class Job:
    """Set to make, and its sources.

    Attributes:
        recipe: how.
        roots: original release -> its folder.
        listing: what is in them.
        stamp: by what an unfinished attempt at the same is recognised.
    """

    recipe: Recipe
    roots: Mapping[str, Path]
    listing: Listing
    stamp: Mapping[str, Any]


def make(job: Job, target: Path, run: Parallel) -> Mapping[str, Any]:
    """Make a set, from where an earlier attempt ended, and put it into `target`; returns its prepared.json.

    Raises:
        DatasetError: files of the originals cannot be used; all others are done.
        StorageError: there is too little room.
    """
    name, work = job.recipe.name, target.with_name(f".{target.name}.preparing")
    if read_stamp(work / STAMP).get("job") != job.stamp:
        shutil.rmtree(work, ignore_errors=True)
        write_json(work / STAMP, {"job": job.stamp})
    _require_space(job.listing, work)
    plan = job.recipe.plan(job.roots, job.listing, run, work)
    write = partial(_write_pair, name=name, root=work, convert=plan.convert)
    entries = all_good(run(partial(attempt, task=write), plan.items, name), work)
    for extra, content in plan.extra.items():
        write_atomically(work / extra, content)
    record = manifest(job.recipe, job.listing, plan, entries, work)
    write_json(work / MANIFEST, record)
    for leftover in work.rglob(".*"):  # our notes, and what a killed process was writing
        leftover.unlink(missing_ok=True)  # or those that a killed one has left behind still write
    write_json(work / STAMP, {"job": job.stamp, "result": result_listing(work)})
    _put_in_place(work, target)
    return record


def _write_pair(item: Item, name: str, root: Path, convert: Callable[[Item], Mask]) -> Entry:
    """Write an image and its mask where they are not yet."""
    images, masks = folders(root, name, item.split)
    image, mask = images / f"{item.stem}.jpg", masks / f"{item.stem}.png"
    if not mask.exists():
        write_atomically(mask, png(convert(item)))
    image.parent.mkdir(parents=True, exist_ok=True)
    link_or_copy(item.image, image)
    return Entry(item, content_key(image), tuple(map(content_key, item.sources)), content_key(mask))


def folders(root: Path, name: str, split: str) -> tuple[Path, Path]:
    """Return folders of a set's images and masks, where the official loaders look (mmseg/datasets)."""
    if name == "ade20k_object":
        home, long = root / "ADEChallengeData2016", {"train": "training", "val": "validation"}[split]
        return home / "images" / long, home / "annotations" / long
    return root / "img" / split, root / "ann" / split


def _require_space(listing: Listing, work: Path) -> None:
    """Refuse before the work rather than in the middle of it."""
    needed = len(listing.items) * MASK_BYTES
    device = work.stat().st_dev
    for image in (item.image for item in listing.items if item.image.exists()):  # a missing one is reported later
        stat = image.stat()
        needed += stat.st_size if stat.st_dev != device else 0
    free = shutil.disk_usage(work).free
    if free < needed:
        raise StorageError(
            f"{work.parent}: expected {needed / 1e9:.1f} GB of free space, got {free / 1e9:.1f} GB: make room; images "
            "are linked, not copied, where the originals lie on the same file system"
        )


def _put_in_place(work: Path, target: Path) -> None:
    previous = target.with_name(f".{target.name}.old")
    shutil.rmtree(previous, ignore_errors=True)
    take_along(target, work)
    if target.exists():
        target.rename(previous)
    work.rename(target)
    shutil.rmtree(previous, ignore_errors=True)
