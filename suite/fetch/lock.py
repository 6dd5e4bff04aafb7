"""One process at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from suite.core.locks import waited_for


def alone(folder: Path, name: str) -> AbstractContextManager[None]:
    """Be the only process that works on `name` in `folder`; wait for another to end, and say so."""
    return waited_for(folder / f".{name}.lock", name)
