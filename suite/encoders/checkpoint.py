"""Files of weights: untrusted, so read without running anything in them; kept exactly or not at all."""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from suite.encoders.method import Layout, Method
from suite.errors import CheckpointError, unknown


@dataclass(frozen=True)
class Weights:
    """Tensors of one network in a file, under their full names, and the layout they were found by."""

    layout: Layout
    trunk: dict[str, Tensor]
    head: dict[str, Tensor]


def find_file(method: Method, weights: Path) -> Path:
    """The file of `method`: `weights` itself, or `<method>.pth` or an official name in that folder.

    Raises:
        CheckpointError: there is none.
    """
    if weights.is_file():
        return weights
    names = [f"{method.name}.pth", *(source.file_name for source in method.sources)]
    for name in names:
        if (weights / name).is_file():
            return weights / name
    raise CheckpointError(
        f"{weights}: no weights of {method.name}: expected {' or '.join(names)}; "
        f"fetch {method.sources[0].url} or name a file with {method.name}@FILE"
    )


def read_file(path: Path) -> dict[str, object]:
    """Everything a .pth, .pth.tar or .safetensors file holds, on the CPU.

    Raises:
        CheckpointError: it is missing, damaged, not a checkpoint, or holds code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of weights")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except Exception as error:  # whatever a damaged or hostile file makes of the reader, it is the file's fault
        raise CheckpointError(f"{path}: cannot be read as weights: {_reason(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a dictionary of tensors, got {type(content).__name__}")
    return content


def select(content: Mapping[str, object], method: Method, branch: str | None, where: str) -> Weights:
    """Pick `method`'s network out of what `read_file` returned.

    Args:
        content: see `read_file`.
        method: whose layouts to look for.
        branch: "student" or "teacher" where the file may hold both; None for the catalogue's default.
        where: starts the message of an error.

    Raises:
        RequestError: the method has no such branch.
        CheckpointError: no layout of the method fits.
    """
    if branch is not None and branch not in method.branches:
        raise unknown(f"branch of {method.name}", branch, method.branches or ("none",))
    wanted = branch or (method.branches or ("",))[0]
    layouts = [layout for layout in method.layouts if layout.branch == wanted]
    for layout in layouts:
        group = content.get(layout.top) if layout.top else content
        if isinstance(group, Mapping) and layout.mark in group:
            return _split(group, layout)
    expected = " or ".join(f"{layout.top}/{layout.mark}".lstrip("/") for layout in layouts)
    got = _shown(sorted(map(str, content)))
    raise CheckpointError(f"{where}: not in {method.title}'s layout: expected {expected}, got {got}")


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], where: str, prefix: str = "") -> None:
    """Copy `tensors` into `module`; every tensor of either must have its like in the other.

    Raises:
        CheckpointError: names the tensors that are missing, unexpected, misshapen or not finite.
    """
    expected = {prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}
    common = expected.keys() & tensors.keys()
    faults = {
        "missing": expected.keys() - tensors.keys(),
        "unexpected": tensors.keys() - expected.keys(),
        "misshapen": {
            f"{name} (expected {expected[name]}, got {_shape(tensors[name])})"
            for name in common
            if _shape(tensors[name]) != expected[name]
        },
    }
    if not any(faults.values()):
        faults = {"not finite": {name for name in common if not torch.isfinite(tensors[name]).all()}}
    if any(faults.values()):
        listed = "; ".join(f"{kind} {_shown(sorted(names))}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{where}: {listed}")
    module.load_state_dict({name.removeprefix(prefix): value for name, value in tensors.items()})


def strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The same tensors, without `prefix` at the start of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items()}


def _unpickle(path: Path) -> object:
    # training dumps keep their arguments, and NumPy scalars of a schedule under the name NumPy 1 gave them
    scalar: Any = np.float64(0).__reduce__()[0]
    numpy_1 = (scalar, "numpy.core.multiarray.scalar")
    allowed = [argparse.Namespace, np.dtype, np.dtypes.Float64DType, scalar, numpy_1]
    with torch.serialization.safe_globals(allowed):
        # mapped where the format allows it, so that an optimizer beside the weights is never read
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _reason(error: Exception) -> str:
    """One line for a person: torch's own messages run to a page."""
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if refused:
        return f"it asks for {refused[1]}, which weights have no need of; it may be malicious"
    return f"it is damaged or no checkpoint ({type(error).__name__})"


def _split(group: Mapping[str, Tensor], layout: Layout) -> Weights:
    """Sort the tensors; one that belongs nowhere stays with the trunk, to be reported as unexpected."""
    kept = {
        name: value for name, value in group.items() if not any(fnmatchcase(name, pattern) for pattern in layout.ignore)
    }
    head = {name: value for name, value in kept.items() if layout.head and name.startswith(layout.head)}
    return Weights(layout, {name: value for name, value in kept.items() if name not in head}, head)


def _shape(value: object) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _shown(names: list[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
