"""A dataset under verification, and what checks of several datasets share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from suite.datasets.digests import file_digest
from suite.datasets.files import IMAGE_SUFFIXES, RESTORE, images_in
from suite.datasets.pixels import read_rgb
from suite.errors import DatasetError
from suite.verification import facts
from suite.verification.outcome import Findings

T = TypeVar("T")
Size = tuple[int, int]
"""Size as width and height, pixels."""


@dataclass(frozen=True)
class Subject:
    """A dataset and how closely to look at it.

    Attributes:
        name: the dataset.
        root: its folder.
        published: whether the published sizes and digests apply (paper profile).
        sample: images of each split to open; None for all.
        seed: draws the sample.
    """

    name: str
    root: Path
    published: bool
    sample: int | None
    seed: int
    _values: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, make: Callable[[Subject], T]) -> T:
        """Return `make(self)`, made once for all checks: an index of a gigabyte is read a single time."""
        if make not in self._values:
            self._values[make] = make(self)
        value: T = self._values[make]
        return value

    def choose(self, items: Sequence[T], split: str) -> list[T]:
        """Choose the items to open, in their order: all, or a sample that depends on the seed alone."""
        if self.sample is None or self.sample >= len(items):
            return list(items)
        indices = random.Random(f"{self.seed}/{self.name}/{split}").sample(range(len(items)), self.sample)
        return [items[i] for i in sorted(indices)]

    def word(self, error: DatasetError) -> str:
        """Word an error without what every line of the list would repeat."""
        return str(error).removesuffix(f": {RESTORE}").replace(f"{self.root}/", "", 1)


def check_sizes(subject: Subject, findings: Findings, sizes: Mapping[str, int]) -> None:
    """Compare the number of images of each split with the published one."""
    findings.say(", ".join(f"{split} {size:,}" for split, size in sizes.items()))
    for split, size in sizes.items():
        if not size:
            no_images(findings, split)
    if not subject.published:
        return
    expected = facts.SPLITS[subject.name]
    if not expected:
        findings.no_reference("no size is published")
    for split, size in expected.items():
        count = sizes.get(split, 0)
        if 0 < count < size and subject.name in facts.AT_MOST:
            findings.warn(f"{split}: {size:,} images are annotated, of which processed masks may leave some out")
        elif count and count != size:
            findings.problem("wrong sizes", f"{split}: expected {size:,} images, got {count:,}")


def no_images(findings: Findings, split: str, what: str = "images") -> None:
    """Note that a split has nothing to look at, whatever else could be said of it."""
    findings.problem("empty splits", f"{split}: expected {what}, found none")


def check_md5(folder: Path, expected: Mapping[str, str], findings: Findings, *, published: bool) -> None:
    """Compare index files with the published digests; of other data, only whether the files are there."""
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            findings.problem("missing files", f"{name}: expected a file, found nothing")
        elif published and (actual := file_digest(path, "md5")) != digest:
            findings.problem("wrong digests", f"{name}: expected MD5 {digest}, got {actual}")
    findings.say(f"{len(expected)} index files" + (" with the published MD5" if published else " are there"))


def open_images(
    subject: Subject, findings: Findings, split: str, files: Sequence[Path], sizes: Mapping[Path, Size] | None = None
) -> None:
    """Decode a sample of a split's images, and look for empty files among all of them.

    Args:
        subject: the dataset.
        findings: takes the problems.
        split: its name.
        files: every image of the split.
        sizes: the size that an index gives an image.
    """
    if not files:
        no_images(findings, split)
    sample = subject.choose(files, split)
    expected = sizes or {}

    def look(path: Path) -> str | None:
        try:
            size = read_rgb(path).size
        except DatasetError as error:
            return subject.word(error)
        promised = expected.get(path, size)
        place = path.relative_to(subject.root)
        return None if size == promised else f"{place}: expected {promised} pixels as its index says, got {size}"

    report(findings, "unreadable images", in_threads(look, sample))
    opened = set(sample)
    for path in files:
        if path not in opened and path.is_file() and path.stat().st_size == 0:
            findings.problem("empty files", f"{path.relative_to(subject.root)}: it is empty")
    findings.say(f"{split}: opened {len(sample):,} of {len(files):,}")


def listed(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """List images below a folder, sorted; none where it is empty or missing, which is for the caller to say.

    Raises:
        DatasetError: it cannot be listed.
    """
    return images_in(folder, suffixes)


def report(findings: Findings, kind: str, problems: Iterable[str | None]) -> None:
    """Pass on what is not None."""
    for problem in problems:
        if problem is not None:
            findings.problem(kind, problem)


def in_threads(look: Callable[[T], str | None], items: Sequence[T]) -> list[str | None]:
    """Call `look` at every item; decoding releases the interpreter's lock, so threads suffice."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(look, items))
