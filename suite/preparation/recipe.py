"""Recipe of a set, handed to the runner: which files, and what makes a mask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
"""Mask (H, W): 0 unlabelled, 1..C classes."""

A = TypeVar("A")
T = TypeVar("T")

SPLITS = ("train", "val")


class Parallel(Protocol):
    """Runner of tasks in processes."""

    def __call__(self, task: Callable[[A], T], items: Sequence[A], title: str) -> Iterable[T]:
        """Return results of the task, in the order of its items."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image to prepare.

    Attributes:
        split: "train" or "val".
        stem: its name, without a suffix.
        image: its JPEG.
        sources: the files its mask is made from.
    """

    split: str
    stem: str
    image: Path
    sources: tuple[Path, ...]


@dataclass(frozen=True)
class Listing:
    """Content of an original release.

    Attributes:
        items: every image, by split and stem.
        index: lists and tables that say which images or classes there are.
        release: which release it is.
        warnings: what is odd about it.
    """

    items: Sequence[Item]
    index: Sequence[Path] = ()
    release: str = ""
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """Result of an item: SHA-256 (hex) of its image, of each of its sources, and of its mask."""

    item: Item
    image: str
    sources: tuple[str, ...]
    mask: str


@dataclass(frozen=True)
class Plan:
    """Files to write.

    Attributes:
        items: the images to keep.
        convert: makes an item's mask; raises DatasetError for a file that cannot be used.
        extra: further files, by name.
        warnings: what the user should know.
    """

    items: Sequence[Item]
    convert: Callable[[Item], Mask]
    extra: Mapping[str, bytes] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Recipe:
    """Recipe of one set.

    Attributes:
        name: the set.
        rule: version of the rule; a set made by another is made again.
        classes: C.
        published: split -> images in the publication; empty where none are.
        ours: what the authors left open and this recipe decided.
        list: originals (release -> folder) -> what is there.
        plan: what to make of it; may look into every file first.
    """

    name: str
    rule: int
    classes: int
    published: Mapping[str, int]
    ours: str
    list: Callable[[Mapping[str, Path]], Listing]
    plan: Callable[[Mapping[str, Path], Listing, Parallel, Path], Plan]
