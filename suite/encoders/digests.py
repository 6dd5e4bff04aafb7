"""Check that a file of weights is the one that was published, or that was here before."""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

from suite.encoders.method import Method
from suite.errors import CheckpointError

PINS = "pins.toml"
"""File in a folder of weights: a table per file name, whose `sha256` is the file's as it was when first downloaded."""


def check_digest(path: Path, method: Method) -> None:
    """Compare a file with its pinned or published digest, if it has one; once a process while it is unchanged.

    Raises:
        CheckpointError: it is another file, or the pins cannot be read.
    """
    pin = read_pins(path.parent, path.name).get(path.name)
    published = next((source.digest for source in method.sources if source.file_name == path.name), "")
    state = path.stat()
    unpin = f" (where its pin is wrong, remove its entry in {path.parent / PINS} first)"
    for expected, origin, hint in (
        (f"sha256:{pin['sha256']}" if pin else "", f"pinned in {PINS}", unpin),
        (published, "published", ""),
    ):
        if expected:
            kind, _, digits = expected.partition(":")
            actual = _digest(path, kind, state.st_size, state.st_mtime_ns)
            if not actual.startswith(digits):
                raise CheckpointError(
                    f"{path}: expected {kind} {digits} ({origin}), got {actual[: max(len(digits), 8)]}; "
                    f"fetch it again{hint}, or name it with {method.name}@{path} to use it as it is"
                )


@functools.lru_cache
def _digest(path: Path, kind: str, _size: int, _mtime_ns: int) -> str:
    """Return hex digits; size and time of change are there to miss the cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def read_pins(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Return what is noted of the files in a folder of weights, by name: `sha256`, and from where and when.

    Args:
        folder: of the weights.
        name: of the file that is looked for.

    Raises:
        CheckpointError: it cannot be read, or a SHA-256 is missing or not whole.
    """
    path = folder / PINS
    try:
        pins = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f'{path}: expected ["{name}"] with sha256 = "..."; mend it, or move it away') from error
    for other, facts in pins.items():
        sha256 = facts.get("sha256") if isinstance(facts, dict) else None
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            digits = "" if sha256 is None else f" of 64 hex digits, got {sha256!r}"
            raise CheckpointError(f'{path}: expected ["{other}"] with sha256 = "..."{digits}; mend it, or move it away')
    return pins
