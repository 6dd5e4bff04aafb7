"""Tensors of a file -> a module: every one of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from suite.errors import CheckpointError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def tensors_of(group: object, location: str, ignore: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Return the tensors of a dictionary from a file, less those whose names fit a pattern to ignore.

    Raises:
        CheckpointError: it is no dictionary, or holds something else than plain tensors.
    """
    if not isinstance(group, Mapping):
        raise CheckpointError(f"{location}: expected a dictionary of tensors, got {type(group).__name__}")
    tensors = {
        str(name): value
        for name, value in group.items()
        if not any(fnmatchcase(str(name), pattern) for pattern in ignore)
    }
    unusable_values = [f"{name} ({kind})" for name, value in tensors.items() if (kind := _unusable(value))]
    if unusable_values:
        raise CheckpointError(f"{location}: expected tensors, got {shown(sorted(unusable_values))}")
    return tensors


def undrawn(build: Callable[[], ModuleT]) -> ModuleT:
    """Make a module without memory, for `load_exactly`: drawing weights first doubles the time to load."""
    with torch.device("meta"):
        return build()


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], location: str, prefix: str = "") -> None:
    """Put `tensors` into `module`; every tensor of either must have its like in the other.

    A module without memory takes the tensors themselves, where they have its dtype; any other one copies them.

    Raises:
        CheckpointError: names the tensors that are missing, unexpected, misshapen or not finite.
    """
    state = module.state_dict()
    expected = {prefix + name: tuple(value.shape) for name, value in state.items()}
    common = expected.keys() & tensors.keys()
    faults = {
        "missing": expected.keys() - tensors.keys(),
        "unexpected": tensors.keys() - expected.keys(),
        "misshapen": {
            f"{name} (expected {expected[name]}, got {tuple(tensors[name].shape)})"
            for name in common
            if tensors[name].shape != expected[name]
        },
        # whole numbers in a weight's place are a compressed form of it, whose scale lies elsewhere
        "not floating": {
            f"{name} ({str(tensors[name].dtype).removeprefix('torch.')})"
            for name in common
            if state[name.removeprefix(prefix)].is_floating_point() and not tensors[name].is_floating_point()
        },
    }
    if not any(faults.values()):
        faults = {"not finite": {name for name in common if not _finite(tensors[name])}}
    if any(faults.values()):
        listed = "; ".join(f"{kind} {shown(sorted(names))}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{location}: {listed}")
    without_memory = any(value.is_meta for value in state.values())
    if without_memory:
        _give_memory(module)
    loaded = {name: tensors[prefix + name].to(value.dtype).contiguous() for name, value in state.items()}
    module.load_state_dict(loaded, assign=without_memory)


def strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the same tensors, without `prefix` at the start of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items()}


def shown(names: list[str], limit: int = 4) -> str:
    """Show the first few names, each cut to a line's length, and how many more there are."""
    remainder = f" and {len(names) - limit} more" if len(names) > limit else ""
    short = (name if len(name) <= 100 else f"{name[:99]}…" for name in names[:limit])
    return ", ".join(short).translate(dict.fromkeys(range(32), " ")) + remainder


def _unusable(value: object) -> str:
    """Return what a value is, if no weights of a network."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    # a sparse, quantised or memoryless tensor, or one number shown a billion times, is no weight matrix
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu" or value.is_complex():
        return f"{str(value.layout).removeprefix('torch.')} {value.dtype} on {value.device}"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"{tuple(value.shape)} out of {value.untyped_storage().nbytes()} bytes"
    return ""


def _finite(tensor: Tensor) -> bool:
    # a sum is several times as fast, and finite only where every term is
    if torch.isfinite(tensor.float().sum()):
        return True
    return bool(torch.isfinite(tensor.float()).all())


def _give_memory(module: nn.Module) -> None:
    """Make room for every tensor of a module made on the "meta" device; timm fills its constant buffers."""
    module.to_empty(device="cpu")
    for part in module.modules():
        refill: Any = getattr(part, "init_non_persistent_buffers", None)
        if refill is not None:
            refill()
