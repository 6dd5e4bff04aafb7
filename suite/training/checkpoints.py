"""Tensors of a training that may be interrupted: a file of known content, whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from suite.core.files import write_atomically


def write_tensors(path: Path, tensors: Mapping[str, Tensor], digest: str) -> None:
    """Store tensors with the digest of the configuration that they belong to.

    Raises:
        StorageError: the folder cannot be written or the disk is full; an older file stays.
    """
    write_atomically(path, save({name: value.contiguous() for name, value in tensors.items()}, {"digest": digest}))


def read_tensors(path: Path, digest: str, *, whose: str) -> dict[str, Tensor] | None:
    """The tensors of a file, or None, with a warning, where they cannot be gone on from.

    Args:
        path: written by `write_tensors`; None is returned without a word where there is none.
        digest: of the configuration that asks.
        whose: for the warning, e.g. "head linear".
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            found = (file.metadata() or {}).get("digest")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        _warn(path, f"cannot be read ({error})", whose)
        return None
    if found != digest:
        _warn(path, f"is of another configuration ({found})", whose)
        return None
    return tensors


def _warn(path: Path, why: str, whose: str) -> None:
    print(f"warning: {path}: {why}; {whose} is trained from the beginning", file=sys.stderr)
