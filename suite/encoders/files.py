"""Files of weights, which are untrusted: read without running anything in them, in memory they can account for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from suite.core.kinds import kind_of
from suite.encoders.method import Method
from suite.encoders.untrusted import is_safetensors, is_zip, reason, unpickle
from suite.errors import CheckpointError

_PORTION = 32 * 2**20


class Flat(dict[str, object]):
    """Content of a safetensors file, which has tensors only and no dictionaries inside."""


def find_file(method: Method, weights: Path, branch: str | None = None) -> Path:
    """Find the file of `method`: `weights` itself, or in that folder `<method>.pth`, .safetensors or an official name.

    Args:
        method: whose.
        weights: a file, or the folder.
        branch: the network that it is wanted for: official files that lack it are passed over; None for the default.

    Raises:
        CheckpointError: there is none.
    """
    if weights.is_file():
        return weights
    official = [s.file_name for s in method.sources if branch is None or branch in (s.branches or [branch])]
    names = [f"{method.name}.pth", f"{method.name}.safetensors", *official]
    for name in names:
        if (weights / name).is_file():
            return weights / name
    lacking = "" if branch in {None, *method.branches[:1]} else f" with its {branch}"
    raise CheckpointError(
        f"{weights}: no weights of {method.name}{lacking}: expected {' or '.join(names)}; "
        f"run python -m suite fetch weights {method.name}, or name a file with {method.name}@FILE"
    )


def read_file(path: Path) -> dict[str, object]:
    """Read everything a file of `torch.save` or safetensors holds, on the CPU; its name does not matter.

    Tensors of files in today's formats show the file itself: what is not used is not read, and whoever keeps
    one should copy it (`owned` does). Files from before PyTorch 1.6 are read whole.

    Raises:
        CheckpointError: it is missing, damaged, not a checkpoint, or holds code.
    """
    if not path.is_file():
        fault = (
            "expected a file of weights, got a folder; name a file in it"
            if path.is_dir()
            else "no such file of weights"
        )
        raise CheckpointError(f"{path}: {fault}")
    try:
        kind = kind_of(path)
        content = None if kind else Flat(load_file(path)) if is_safetensors(path) else unpickle(path)
    except Exception as error:  # whatever a damaged or hostile file makes of the reader, it is the file's fault
        raise CheckpointError(f"{path}: cannot be read as weights: {reason(error)}") from error
    if kind:
        raise CheckpointError(f"{path}: cannot be read as weights: it is {kind.name}; {kind.remedy}")
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path}: expected a dictionary of tensors, got {type(content).__name__}; of a whole model save the "
            "weights alone, torch.save(model.state_dict(), FILE)"
        )
    return content


def owned(path: Path, tensors: dict[str, Tensor], again: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors picked out of a file, in memory of their own.

    The file is mapped anew for every few of them: letting go of a mapping is what gives its memory back, and
    with a single one every byte would be held twice.

    Args:
        path: the file.
        tensors: some of what `read_file` returned for it.
        again: reads the file anew and picks the same.

    Raises:
        CheckpointError: they are larger than the file, or it is not the same any more.
    """
    size, total = path.stat().st_size, sum(tensor.nbytes for tensor in tensors.values())
    if total > size:
        raise CheckpointError(f"{path}: cannot be read as weights: {total} bytes of tensors in a file of {size}")
    if not (is_zip(path) or is_safetensors(path)):
        return tensors
    copies: dict[str, Tensor] = {}
    for names in _portions(tensors):
        tensors = again()
        if not tensors.keys() >= set(names):
            raise CheckpointError(f"{path}: was changed while it was read; try again")
        copies |= {name: tensors[name].clone(memory_format=torch.contiguous_format) for name in names}
    return copies


def _portions(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Yield the names of tensors, a few at a time: one large tensor or some 32 MiB."""
    names: list[str] = []
    portion_bytes = 0
    for name, size in [(name, tensor.nbytes) for name, tensor in tensors.items()]:
        if names and portion_bytes + size > _PORTION:
            yield names
            names, portion_bytes = [], 0
        names.append(name)
        portion_bytes += size
    yield names
