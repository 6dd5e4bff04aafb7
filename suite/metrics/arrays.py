"""Reading the arrays that metrics are given: NumPy or torch, on any device."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.errors import MetricError

Array = NDArray[Any] | Tensor
A = TypeVar("A", NDArray[Any], Tensor)


def tensor(values: Array, name: str, shape: str) -> Tensor:
    """Return any array as a tensor that shares its memory; it is only read.

    Args:
        values: NumPy array, tensor or nested list.
        name: what the error calls it.
        shape: axes as the contract writes them, e.g. "(N, D)"; only their number is checked.

    Raises:
        MetricError: another number of axes, or nothing inside.
    """
    if not isinstance(values, Tensor):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            values = torch.from_numpy(np.ascontiguousarray(values))
    if values.ndim != shape.count(",") + (not shape.endswith(",)")) or not values.numel():
        raise MetricError(f"{name}: expected shape {shape} and at least one item, got {tuple(values.shape)}")
    return values.detach()


def class_codes(labels: Array, count: int) -> NDArray[np.int64]:
    """Turn labels of any type into codes 0..C-1, in the order of the labels.

    Args:
        labels: (N,) numbers or strings.
        count: N that the other argument has.

    Returns:
        (N,) codes.

    Raises:
        MetricError: not one label per item.
    """
    flat = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if flat.shape != (count,):
        raise MetricError(f"labels: expected shape ({count},), one per item, got {flat.shape}")
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise MetricError("labels: expected classes, got a value that is not finite")
    return np.unique(flat, return_inverse=True)[1]


def like(result: NDArray[np.float64], model: A) -> A:
    """Return `result` as the kind of array that `model` is, on its device."""
    return torch.from_numpy(np.ascontiguousarray(result)).to(model.device) if isinstance(model, Tensor) else result
