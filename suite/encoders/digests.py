"""Check that a file of weights is the one that was published, or that was here before."""

from __future__ import annotations

import functools
import hashlib
import tomllib
from pathlib import Path

from suite.encoders.method import Method
from suite.errors import CheckpointError

PINS = "pins.toml"
"""File in a folder of weights: a table per file name, whose `sha256` is the file's as it was when first downloaded."""


def check_digest(path: Path, method: Method) -> None:
    """Compare a file with its pinned or published digest, if it has one; once a process while it is unchanged.

    Raises:
        CheckpointError: it is another file, or the pins cannot be read.
    """
    pinned = _pinned(path.parent / PINS, path.name)
    published = next((source.digest for source in method.sources if source.file_name == path.name), "")
    state = path.stat()
    for expected, origin in ((pinned, f"pinned in {PINS}"), (published, "published")):
        if expected:
            kind, _, digits = expected.partition(":")
            actual = _digest(path, kind, state.st_size, state.st_mtime_ns)
            if not digits or not actual.startswith(digits):
                raise CheckpointError(
                    f"{path}: expected {kind} {digits} ({origin}), got {actual[: max(len(digits), 8)]}; "
                    f"fetch it again, or name it with {method.name}@{path} to use it as it is"
                )


@functools.lru_cache
def _digest(path: Path, kind: str, _size: int, _mtime_ns: int) -> str:
    """Return hex digits; size and time of change are there to miss the cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _pinned(pins: Path, name: str) -> str:
    """Return the digest of a file in the folder of `pins`, or ""."""
    try:
        facts = tomllib.loads(pins.read_text(encoding="utf-8")).get(name)
        return f"sha256:{facts['sha256']}" if facts is not None else ""
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f'{pins}: expected ["{name}"] with sha256 = "..."; mend it, or move it away') from error
