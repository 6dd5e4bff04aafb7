"""Reading of the arrays that metrics are given: NumPy or torch, of any type of number and any byte order, or lists.

Everything is widened to types that torch computes with before anything is compared: torch compares a label with a
number of another size modulo its own, so that 256 is 0 and -1 is 255 to a mask of uint8.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.errors import MetricError

Array = NDArray[Any] | Tensor
A = TypeVar("A", NDArray[Any], Tensor)

_LARGEST = torch.iinfo(torch.int64).max
_WIDER = {torch.bool: torch.uint8, torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}
"""Types that torch hardly computes with, and those that hold the same numbers."""


def tensor(values: Array, name: str, shape: str) -> Tensor:
    """Return any array of real numbers as a tensor that shares its memory where it can; it is only read.

    Args:
        values: NumPy array, tensor or nested list.
        name: what the error calls it.
        shape: axes as the contract writes them, e.g. "(N, D)"; only their number is checked.

    Returns:
        uint8, int8 to int64, or a floating type of at least 16 bits.

    Raises:
        MetricError: no real numbers, another number of axes, or nothing inside.
    """
    numbers = _numbers(values, name)
    if numbers.ndim != shape.count(",") + (not shape.endswith(",)")) or not numbers.numel():
        raise MetricError(f"{name}: expected shape {shape} and at least one item, got {tuple(numbers.shape)}")
    return numbers


def integers(values: Array, name: str) -> Tensor:
    """Return an array of integers, of any shape, as a tensor.

    Raises:
        MetricError: other numbers (whole ones of a floating type too: such a mask has been interpolated), or none.
    """
    numbers = _numbers(values, name)
    if numbers.is_floating_point() and numbers.numel():
        raise MetricError(f"{name}: expected integers, got {numbers.dtype}")
    return numbers


def integer(value: Any, name: str) -> int:
    """Return a single integer.

    Raises:
        MetricError: it is none, or none that int64 holds.
    """
    try:
        number = operator.index(value)
    except TypeError as error:
        raise MetricError(f"{name}: expected an integer, got {value!r}") from error
    if not -_LARGEST <= number <= _LARGEST:
        raise MetricError(f"{name}: expected an integer of at most 64 bits, got {number}")
    return number


def comparable(labels: Tensor, *others: int) -> Tensor:
    """Return integers in a type that holds all the `others` too, so that comparing compares numbers."""
    limits = torch.iinfo(labels.dtype)
    return labels if all(limits.min <= other <= limits.max for other in others) else labels.long()


def class_codes(labels: Array, count: int) -> NDArray[np.int64]:
    """Turn labels of any type into codes 0..C-1, in the order of the labels.

    Args:
        labels: (N,) numbers or strings.
        count: N that the other argument has.

    Returns:
        (N,) codes.

    Raises:
        MetricError: not one label per item, or labels that have no order.
    """
    flat = _labels(labels)
    if flat.shape != (count,):
        raise MetricError(f"labels: expected shape ({count},), one per item, got {flat.shape}")
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise MetricError("labels: expected classes, got a value that is not finite")
    try:
        return np.unique(flat, return_inverse=True)[1]
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in flat.tolist()}))
        raise MetricError(f"labels: expected numbers or strings, got {kinds}") from error


def _labels(labels: Array) -> NDArray[Any]:
    if not isinstance(labels, Tensor):
        return _array(labels, "labels")
    numbers = _numbers(labels, "labels").cpu()
    return (numbers.float() if numbers.dtype == torch.bfloat16 else numbers).numpy()


def like(result: NDArray[np.float64], model: A) -> A:
    """Return `result` as the kind of array that `model` is, on its device."""
    return torch.from_numpy(np.ascontiguousarray(result)).to(model.device) if isinstance(model, Tensor) else result


def _numbers(values: Array, name: str) -> Tensor:
    """Return real numbers as a tensor of a type that torch computes with."""
    numbers = values.detach() if isinstance(values, Tensor) else _from_numpy(_array(values, name), name)
    if numbers.is_meta or numbers.is_quantized or numbers.is_nested:
        raise MetricError(f"{name}: expected real numbers, got {numbers.dtype} on {numbers.device}")
    if numbers.is_complex():
        raise MetricError(f"{name}: expected real numbers, got {numbers.dtype}")
    if numbers.layout != torch.strided:
        numbers = numbers.to_dense()
    if numbers.dtype == torch.uint64 and (large := numbers.cpu().numpy() > _LARGEST).any():
        raise MetricError(f"{name}: expected integers of at most {_LARGEST}, got {numbers.cpu().numpy()[large][0]}")
    if numbers.is_floating_point() and numbers.element_size() == 1:
        return numbers.float()
    return numbers.to(_WIDER.get(numbers.dtype, numbers.dtype))


def _array(values: Any, name: str) -> NDArray[Any]:
    """Return a NumPy array of anything but a tensor; objects become the numbers or strings that they are."""
    if isinstance(values, np.ma.MaskedArray):
        raise MetricError(f"{name}: expected an array without a mask of its own, got a masked array; fill it first")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O" and array.size:
            array = np.asarray(array.tolist())
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise MetricError(f"{name}: expected an array, got {type(values).__name__} that is none: {reason}") from error
    if array.dtype.kind in "SU" and array.dtype != getattr(values, "dtype", None):
        kinds = {type(item).__name__ for item in np.asarray(values, object).flat}
        if len(kinds) > 1:  # else 1 and "1" would be one
            raise MetricError(f"{name}: expected items of one kind, got {' and '.join(sorted(kinds))}")
    return array


def _from_numpy(array: NDArray[Any], name: str) -> Tensor:
    """Share the memory of an array of numbers, or copy it where torch does not know its byte order, steps or size."""
    if array.dtype.kind not in "biufc" or array.dtype == np.clongdouble:
        got = f"{array.dtype}, e.g. {array.flat[0]!r}" if array.size else str(array.dtype)
        raise MetricError(f"{name}: expected real numbers, got {got}")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.dtype == np.longdouble:
        native = native.astype(np.float64)
    dense = np.ascontiguousarray(native).reshape(native.shape)
    if any(step < 0 or step % dense.itemsize for step in dense.strides):  # an axis of one item may have any step
        dense = dense.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(dense)
