"""Rates of work that was never timed, from the most similar work that was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from suite.experiments.costs.job import Operation
from suite.experiments.costs.shape import Shape


def weight(operation: Operation, shapes: Mapping[str, Shape]) -> float:
    """Weigh an operation by what its kind's duration is roughly proportional to."""
    sizes = operation.sizes
    if operation.kind == "encode":
        shape = shapes[operation.subject.rpartition(" ")[0]]
        return float(shape.flops(sizes[0]) or sizes[0] ** 2)
    return float(_WEIGHTS[operation.kind](sizes)) if operation.kind in _WEIGHTS else 1.0


_WEIGHTS: Mapping[str, Callable[[Sequence[int]], int]] = {
    "decode": lambda sizes: sizes[0],
    "stream": lambda sizes: sizes[1],
    "draw": lambda sizes: sizes[0] ** 2,
    "fit": lambda sizes: sizes[0] * sizes[1],
    "predict": lambda sizes: sizes[0] * sizes[1],
    "crop": lambda sizes: sizes[0] ** 2 * sizes[4],
    "learn": lambda sizes: sizes[2] ** 2 * sizes[3],
    "score": lambda sizes: sizes[2] * sizes[7],
}
"""Weight of an operation by its sizes; see `suite.plan.samples` for their order."""


def in_proportion(
    operation: Operation, timings: Iterable[tuple[Operation, float]], shapes: Mapping[str, Shape]
) -> float | None:
    """Scale seconds from the most similar operation that was timed: same kind, if possible same encoder.

    Args:
        operation: never timed.
        timings: operations with their seconds; encoders that are not among `shapes` do not count.
        shapes: by name.

    Returns:
        None where nothing of the kind was timed.
    """
    candidates = [
        (sample, seconds) for sample, seconds in timings if sample.kind == operation.kind and _has_shape(sample, shapes)
    ]
    nearest_kind = [
        (sample, seconds) for sample, seconds in candidates if sample.subject == operation.subject
    ] or candidates
    operation_weight = weight(operation, shapes)
    nearest = min(nearest_kind, key=lambda pair: abs(weight(pair[0], shapes) - operation_weight), default=None)
    return None if nearest is None else nearest[1] * operation_weight / weight(nearest[0], shapes)


def _has_shape(operation: Operation, shapes: Mapping[str, Shape]) -> bool:
    return operation.kind != "encode" or operation.subject.rpartition(" ")[0] in shapes
