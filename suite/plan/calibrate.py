"""Time operations on this device, for at most a minute; what there is no time for follows from what was measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from suite.core.memory import is_out_of_memory, release_memory
from suite.experiments.costs.job import Operation
from suite.experiments.costs.shape import Shape
from suite.plan.forecast import Forecast, threads_of
from suite.plan.rates import Rates
from suite.plan.samples import prepare
from suite.plan.similar import in_proportion, weight

BUDGET_S = 50.0
"""Seconds for all measurements; the last may run over it, and encoders have to be built."""
_REPEATS = 5


def calibrate(
    rates: Rates,
    operations: Sequence[Operation],
    shapes: Mapping[str, Shape],
    *,
    device: str,
    threads: int,
    budget_s: float = BUDGET_S,
) -> None:
    """Measure operations, and remember their rates.

    Every kind of work, and every encoder, is first measured at its smallest size; the rest in the time that is left.

    Args:
        rates: what is known already; extended and saved.
        operations: what to measure.
        shapes: by name, the encoders' shapes.
        device: where encoders and heads run.
        threads: of a process.
        budget_s: see `BUDGET_S`.

    Raises:
        StorageError: the cache cannot be written.
    """
    until = time.monotonic() + budget_s
    queue = _in_order(operations, shapes)
    timings: dict[str, tuple[Operation, float]] = {}
    too_large: list[Operation] = []
    with _threads(threads):
        while queue and time.monotonic() < until:
            operation = queue.pop(0)
            share = (until - time.monotonic()) / (len(queue) + 1)
            try:
                with prepare(operation, shapes, device) as (call, units):
                    seconds = timed(call, share_s=share, device=device) / units
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                too_large.append(operation)
                continue
            timings[str(operation)] = operation, seconds
            rates.seconds[str(operation)] = seconds
            rates.derived.discard(str(operation))
    if too_large:
        release_memory()
        names = ", ".join(map(str, too_large))
        print(
            f"warning: not timed, as memory has no room for it: {names}; estimated from what was timed", file=sys.stderr
        )
    for operation in [*queue, *too_large]:
        derived = in_proportion(operation, timings.values(), shapes)
        if derived is not None:
            rates.seconds[str(operation)] = derived
            rates.derived.add(str(operation))
    rates.save()


def timed(call: Callable[[], object], *, share_s: float, device: str) -> float:
    """Time a call in seconds: the quickest of a few, since whatever else the machine does only adds.

    The first call warms up; it counts only if there is no time for another.
    """

    def once() -> float:
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    until = time.monotonic() + share_s
    first_seconds = once()
    times: list[float] = []
    while len(times) < _REPEATS and time.monotonic() + first_seconds < until:
        times.append(once())
    return min(times, default=first_seconds)


def _in_order(operations: Sequence[Operation], shapes: Mapping[str, Shape]) -> list[Operation]:
    """Order operations: of each kind and encoder the smallest first; then all others, the smallest first."""
    by_weight = sorted(operations, key=lambda operation: (weight(operation, shapes), str(operation)))
    smallest = {(operation.kind, operation.subject): operation for operation in reversed(by_weight)}
    return [
        *smallest.values(),
        *(operation for operation in by_weight if smallest[operation.kind, operation.subject] is not operation),
    ]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    previous_count = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(previous_count)


def calibrate_forecast(forecast: Forecast, *, anew: bool = False) -> None:
    """Measure what a forecast lacks, or everything that it needs; nothing is done where nothing is to be measured.

    Raises:
        StorageError: the cache cannot be written.
    """
    operations = forecast.operations()
    untimed = (
        operations if anew else [operation for operation in operations if str(operation) not in forecast.rates.seconds]
    )
    if untimed:
        print(f"calibrating {len(untimed)} operations, about a minute at most ...", file=sys.stderr)
        calibrate(
            forecast.rates, untimed, forecast.shapes, device=forecast.request.device, threads=threads_of(forecast)
        )
