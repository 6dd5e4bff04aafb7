"""Rows of a cache of features, each of one number, that tests keep and look for."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from suite.features import Cache
from suite.features.entry import Keys, Values

GROUP = sha256(b"a group").hexdigest()
OTHER = sha256(b"another group").hexdigest()


def keys(*names: object) -> Keys:
    return np.array([sha256(f"{name}".encode()).hexdigest()[:32] for name in names], "S32")


def rows(*names: int, width: int = 3) -> Values:
    return np.array([np.full(width, name) for name in names], np.float32)


def kept(folder: Path, *names: int, gigabytes: float = 1) -> Path:
    """The entry of some rows in a new cache."""
    Cache(folder, gigabytes).keep(GROUP, keys(*names), rows(*names))
    [path] = folder.rglob("*.safetensors")
    return path


def recalled(folder: Path, *names: int) -> tuple[list[int] | None, list[bool], list[str]]:
    """The first numbers of rows, which are there, and what was said."""
    cache = Cache(folder, 1)
    values, there = cache.recall(GROUP, keys(*names))
    return None if values is None else values[there, 0].tolist(), there.tolist(), cache.tally.warnings


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, *refused: Path) -> None:
    """Let a call of `Path` fail for some paths, as on another user's files."""
    real = getattr(Path, call)

    def called(self: Path, *how: object, **more: object) -> object:
        if self in refused:
            raise PermissionError(1, "Operation not permitted")
        return real(self, *how, **more)

    monkeypatch.setattr(Path, call, called)
