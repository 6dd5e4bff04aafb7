"""Description of a file elsewhere: its size and digests, and whether a file on disk is it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from suite.errors import FetchError

CHUNK = 1 << 20
_BAR_FROM = 100 * CHUNK
"""Bytes from which reading a file takes long enough for a bar."""
FULL = {"md5": 32, "sha256": 64}
"""Hex digits of a whole digest."""
LEAST_DIGITS = 8
"""Hex digits of a published digest that tell a file: one digit, and every sixteenth file has it."""
Opening = Callable[[Path], str]
"""Opens a file as what it should be; returns why it cannot, or ""."""


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        name: of the file.
        url: where it is.
        digests: "md5:" or "sha256:" and the first hex digits, as published; all must agree.
        size: in bytes; None where nobody states it.
        exact: the size was published to the byte; otherwise it is rough, and only one four times off is wrong.
    """

    name: str
    url: str
    digests: tuple[str, ...] = ()
    size: int | None = None
    exact: bool = False

    @property
    def recognisable(self) -> bool:
        """Return whether a whole digest is published, so that no other file can pass for it."""
        return any(len(hexadecimal(text)) == FULL[algorithm(text)] for text in self.digests)

    @property
    def is_vouched_for(self) -> bool:
        """Return whether enough digits of a digest are published that no other file passes by chance."""
        return any(len(hexadecimal(text)) >= LEAST_DIGITS for text in self.digests)


def algorithm(digest: str) -> str:
    """Cut `"md5:8cad7c"` to `"md5"`."""
    return digest.partition(":")[0]


def hexadecimal(digest: str) -> str:
    """Cut `"md5:8cad7c"` to `"8cad7c"`."""
    return digest.partition(":")[2]


@dataclass(frozen=True)
class Comparison:
    """Whether a file is what it should be.

    Attributes:
        sha256: in hex; "" where its size tells enough.
        refutation: what is wrong by what was published, or "".
        doubt: what is wrong by its pin or when opened, or "".
    """

    sha256: str
    refutation: str = ""
    doubt: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.refutation or self.doubt)


def check(path: Path, remote: Remote, pin: str = "", opening: Opening | None = None) -> str:
    """Return the SHA-256 (hex) of a file that is what it should be; see `compare`.

    Raises:
        FetchError: it is something else.
    """
    comparison = compare(path, remote, pin, opening)
    if comparison.holds:
        return comparison.sha256
    message = f"{path}: {comparison.refutation or comparison.doubt}; move {path.name} away"
    pins = path.parent / "pins.toml"
    if pin and pin == comparison.sha256:  # by a suite that opened nothing before it pinned
        raise FetchError(f"{message}, remove its entry in {pins}, by which it was pinned, and fetch it again")
    repin = f", or remove its entry in {pins} if the change is meant" if pin else ""
    raise FetchError(f"{message} and fetch it again{repin}")


def compare(path: Path, remote: Remote, pin: str = "", opening: Opening | None = None) -> Comparison:
    """Compare a file with what was published of it, with its pin, and with what it should be when opened.

    A published digest of fewer than `LEAST_DIGITS` digits can refute a file; it cannot vouch for one.

    Args:
        path: the file.
        remote: what it should be.
        pin: SHA-256 it had when first seen, or "".
        opening: asked unless a whole published digest tells the file.
    """
    size = path.stat().st_size
    if remote.exact and size != remote.size:
        return Comparison("", f"expected {remote.size:,} bytes, got {size:,}")
    sums = digests(path, {"sha256", *map(algorithm, remote.digests)})
    for expected in remote.digests:
        actual = sums[algorithm(expected)]
        if not actual.startswith(hexadecimal(expected)):
            return Comparison(sums["sha256"], f"expected {expected} as published, got {algorithm(expected)}:{actual}")
    problem = opening(path) if opening and not remote.recognisable else ""
    if remote.digests and not (opening or remote.is_vouched_for):
        problem = f"expected a published digest of at least {LEAST_DIGITS} digits, got {', '.join(remote.digests)}"
    if pin and sums["sha256"] != pin:
        mismatch = f"expected sha256:{pin} as on first download, got sha256:{sums['sha256']}"
        return Comparison(sums["sha256"], doubt=f"{mismatch} ({problem})" if problem else mismatch)
    return Comparison(sums["sha256"], doubt=problem)


def digests(path: Path, algorithms: set[str]) -> dict[str, str]:
    """Return the digests (hex) of a file by algorithm, in one pass; with a bar where it takes time."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    total = path.stat().st_size

    try:
        with path.open("rb") as file, bar(f"checking {path.name}", total, hidden=total < _BAR_FROM) as progress:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                for hasher in sums.values():
                    hasher.update(chunk)
                progress.update(len(chunk))
    except OSError as error:
        raise FetchError(f"{path}: cannot be read: {error.strerror or error}; check the file and its disk") from error
    return {name: hasher.hexdigest() for name, hasher in sums.items()}


def bar(title: str, total: int | None, *, start: int = 0, hidden: bool = False) -> tqdm[NoReturn]:
    """Return a progress bar over bytes, on stderr; none where that is no terminal."""
    return tqdm(
        total=total, initial=start, desc=title, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True,
        disable=True if hidden else None, leave=False,
    )  # fmt: skip


def human(size: int | None, *, exact: bool = True) -> str:
    """Write a size for people, in powers of ten as disks and web pages count.

    Example:
        >>> human(170_498_071), human(346_000_000, exact=False), human(None)
        ('170.5 MB', 'about 346 MB', 'unknown')
    """
    if size is None:
        return "unknown"
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    text = f"{value:.1f}".removesuffix(".0")
    return f"{'' if exact else 'about '}{text} {unit}"
