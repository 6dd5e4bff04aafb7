"""What a file of weights holds -> one network's tensors -> a module, exactly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from suite.encoders.method import Layout, Method
from suite.errors import CheckpointError, unknown

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Weights:
    """Tensors of one network in a file, under their full names, and the layout they were found by."""

    layout: Layout
    trunk: dict[str, Tensor]
    head: dict[str, Tensor]


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
            return _split(tensors_of(group, where, layout.ignore), layout)
    expected = " or ".join(f"{layout.top}/{layout.mark}".lstrip("/") for layout in layouts)
    got = _shown(sorted(map(str, content)))
    raise CheckpointError(f"{where}: not in {method.title}'s layout: expected {expected}, got {got}")


def tensors_of(group: object, where: str, ignore: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors of a dictionary from a file, less those whose names fit a pattern to ignore.

    Raises:
        CheckpointError: it is no dictionary, or holds something else too.
    """
    if not isinstance(group, Mapping):
        raise CheckpointError(f"{where}: expected a dictionary of tensors, got {type(group).__name__}")
    kept = {
        str(name): value
        for name, value in group.items()
        if not any(fnmatchcase(str(name), pattern) for pattern in ignore)
    }
    others = [f"{name} ({type(value).__name__})" for name, value in kept.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(f"{where}: expected tensors, got {_shown(sorted(others))}")
    return kept


def undrawn(build: Callable[[], ModuleT]) -> ModuleT:
    """A module whose tensors hold nothing yet, for `load_exactly`: drawing them first doubles the time to load."""
    with torch.device("meta"):
        module = build()
    module.to_empty(device="cpu")
    for part in module.modules():
        refill: Any = getattr(part, "init_non_persistent_buffers", None)
        if refill is not None:
            refill()
    return module


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
            f"{name} (expected {expected[name]}, got {tuple(tensors[name].shape)})"
            for name in common
            if tensors[name].shape != expected[name]
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


def _split(tensors: dict[str, Tensor], layout: Layout) -> Weights:
    """Sort the tensors; one that belongs nowhere stays with the trunk, to be reported as unexpected."""
    head = {name: value for name, value in tensors.items() if layout.head and name.startswith(layout.head)}
    return Weights(layout, {name: value for name, value in tensors.items() if name not in head}, head)


def _shown(names: list[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
