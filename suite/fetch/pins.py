"""Digests of files whose authors published none, or only the start of one: as they were on first download.

They stand in `pins.toml` beside the files, so that a folder of weights can be handed on with what it was.
"""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

from suite.core.files import write_atomically
from suite.errors import FetchError
from suite.fetch.lock import alone

NAME = "pins.toml"
_HEAD = (
    "# SHA-256 of files on first download; from then on they are checked. Written by python -m suite fetch weights.\n"
)


def pinned(folder: Path, name: str) -> str:
    """Return the SHA-256 (hex) that a file had when first seen, or "".

    Raises:
        FetchError: the pins cannot be read.
    """
    return _read(folder).get(name, {}).get("sha256", "")


def pin(folder: Path, name: str, sha256: str, url: str) -> None:
    """Remember a file's SHA-256, unless it is known.

    Raises:
        FetchError: the pins cannot be read.
        StorageError: they cannot be written.
    """
    with alone(folder, NAME):
        pins = _read(folder)
        if name in pins:
            return
        pins[name] = {"sha256": sha256, "url": url, "first_seen": date.today().isoformat()}
        # a JSON string is a TOML string
        tables = (
            f"\n[{json.dumps(file)}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
            for file, facts in sorted(pins.items())
        )
        write_atomically(folder / NAME, (_HEAD + "".join(tables)).encode())


def _read(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / NAME
    try:
        pins = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise FetchError(f"{path}: cannot be read: {error}; mend it, or move it away to pin the files anew") from error
    for name, facts in pins.items():
        if not isinstance(facts, dict) or not isinstance(facts.get("sha256"), str):
            raise FetchError(f"{path}: {name}: expected a sha256, got {facts!r}; mend it, or move it away")
    return pins
