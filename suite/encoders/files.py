"""Files of weights, which are untrusted: found, and read without running anything in them."""

from __future__ import annotations

import argparse
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from suite.encoders.method import Method
from suite.errors import CheckpointError


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
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if refused:
        return f"it asks for {refused[1]}, which weights have no need of; it may be malicious"
    return f"it is damaged or no checkpoint ({type(error).__name__})"
