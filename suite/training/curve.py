"""What is kept of a training: a few points of its course, and how fast it still learned in the end.

A rate that decays to nothing makes every loss flat in the end, learned out or not. So the last tenth that tells is that
of the learning rate spent: the steps in which the last tenth of the sum of all rates was spent, which are the last 4 of
10 of a cosine, 3 of a line, 1 of a constant rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS = 20
"""Points of a curve at most."""
TENTH = 0.1
FIRST = 0.01
"""Share of the steps whose mean loss a training begins with."""
LEAST_STEPS = 10
"""Steps through which a line is laid at least; of fewer, noise and fall cannot be told apart."""


def curve(
    losses: Sequence[float],
    accuracies: Sequence[float],
    rates: Sequence[float],
    evaluations: Sequence[tuple[int, float]],
    evaluation_losses: Sequence[tuple[int, float]] = (),
) -> dict[str, Any]:
    """Return what is kept of the training of a head.

    Args:
        losses: of S steps; NaN where nothing was labelled.
        accuracies: of each step's batch before the step, fractions; NaN where there is none.
        rates: learning rate of each step, in any unit.
        evaluations: (steps done, per cent), in this order.
        evaluation_losses: (steps done, loss on the evaluation data), in this order; none where it is not computed.

    Returns:
        `steps`, the ends of at most 20 stretches of the training; `losses` and `accuracies` (per cent), the mean over
        the steps of each, None where there is none; `evaluations` and `evaluation_losses`, at most 20 of each, evenly
        spread, with the last one; `end`, see `end_of`.
    """
    stretches = np.array_split(np.arange(len(losses)), min(POINTS, len(losses))) if losses else []
    loss, accuracy = np.asarray(losses, float), 100 * np.asarray(accuracies, float)
    return {
        "steps": [int(stretch[-1]) + 1 for stretch in stretches],
        "losses": [_rounded(_mean(loss[stretch]), 5) for stretch in stretches],
        "accuracies": [_rounded(_mean(accuracy[stretch]), 2) for stretch in stretches],
        "evaluations": _thinned(evaluations, 4),
        "evaluation_losses": _thinned([(step, loss) for step, loss in evaluation_losses if math.isfinite(loss)], 5),
        "end": end_of(losses, rates),
    }


def end_of(losses: Sequence[float], rates: Sequence[float]) -> dict[str, float | None] | None:
    """Return how fast a training still learned in the end, by lines of least squares through the losses.

    Args:
        losses: of S steps; NaN where nothing was labelled.
        rates: learning rate of each step, in any unit.

    Returns:
        `fall` and `fall_se`, what the loss fell by over the last tenth of the learning rate spent, and its standard
        error; `slope` and `slope_se`, what it changed by over the last tenth of the steps (below 0 where it fell), None
        of fewer than 10 of them; `whole`, what it fell by from the first hundredth of the steps to the last twentieth.
        None where the former tenth has fewer than 10 steps, or no rate is above 0.
    """
    loss, rate = np.asarray(losses, float), np.asarray(rates, float)
    if not rate.sum() > 0:
        return None
    fall = _change(np.cumsum(rate) / rate.sum(), loss)
    if fall is None:
        return None
    slope = _change(np.arange(1, len(loss) + 1) / len(loss), loss) or (math.nan, math.nan)
    first, last = max(1, round(FIRST * len(loss))), round(TENTH / 2 * len(loss))
    numbers = {"fall": -fall[0], "fall_se": fall[1], "slope": slope[0], "slope_se": slope[1]}
    numbers["whole"] = _mean(loss[:first]) - _mean(loss[-max(1, last) :])
    return {name: _rounded(number, 6) for name, number in numbers.items()}


def _change(place: NDArray[np.float64], loss: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return what a line through the last tenth changes by there, and its standard error; None of too few steps.

    Args:
        place: (S,) of each step in the training, growing to 1.
        loss: (S,).
    """
    is_last = (place > 1 - TENTH) & ~np.isnan(loss)
    if np.count_nonzero(is_last) < LEAST_STEPS:
        return None
    x, y = (values[is_last] - values[is_last].mean() for values in (place, loss))
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    return TENTH * slope, TENTH * math.sqrt(float(rest @ rest / (len(x) - 2) / (x @ x)))


def _thinned(points: Sequence[tuple[int, float]], digits: int) -> list[list[float | None]]:
    chosen = np.linspace(0, len(points) - 1, min(POINTS, len(points))).round().astype(int)
    return [[points[k][0], _rounded(points[k][1], digits)] for k in chosen]


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
