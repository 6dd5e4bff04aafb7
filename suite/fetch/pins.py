"""Digests of files whose authors published none, or only the start of one: as they were on first download.

They stand in `pins.toml` beside the files, so that a folder of weights can be handed on with what it was.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from suite.core.files import write_atomically
from suite.encoders.digests import PINS, read_pins
from suite.errors import CheckpointError, FetchError
from suite.fetch.lock import alone

_HEAD = (
    "# SHA-256 of files on first download; from then on they are checked. Written by python -m suite fetch weights.\n"
)


def pinned(folder: Path, name: str) -> str:
    """Return the SHA-256 (hex) that a file had when first seen, or "".

    Raises:
        FetchError: the pins cannot be read.
    """
    return _read(folder, name).get(name, {}).get("sha256", "")


def pin(folder: Path, name: str, sha256: str, url: str) -> None:
    """Remember a file's SHA-256, unless it is known; the file has been opened, and is what it should be.

    Raises:
        FetchError: the pins cannot be read.
        StorageError: they cannot be written.
    """
    with alone(folder, PINS):
        pins = _read(folder, name)
        if name in pins:
            return
        pins[name] = {"sha256": sha256, "url": url, "first_seen": date.today().isoformat()}
        # a JSON string is a TOML string
        tables = (
            f"\n[{json.dumps(file)}]\n"
            + "".join(f"{key} = {json.dumps(value, default=str)}\n" for key, value in facts.items())
            for file, facts in sorted(pins.items())
        )
        write_atomically(folder / PINS, (_HEAD + "".join(tables)).encode())


def _read(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    try:
        return read_pins(folder, name)
    except CheckpointError as error:
        raise FetchError(str(error)) from error
