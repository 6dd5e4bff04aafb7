"""Was a head trained to the end? A mark on a cell, which changes no verdict.

Not converged: in the last tenth of its training the loss of the head still fell, by more than twice the standard error
of that fall, and faster than at half its average pace: by more than 5 % of all that it fell by. Converged: two standard
errors above its fall lie no more than these 5 %. Else nobody can tell. The tenth is of the learning rate spent
(`suite.training.curve`). docs/decisions/0022 shows what heads on both sides of the limit gain by twice the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HALF_PACE = 0.05
"""Share of the whole fall of a loss that half its average pace brings in a tenth of the training."""
NOISES = 2.0
"""Standard errors on both sides of a fall within which it may as well be another."""


@dataclass(frozen=True)
class Convergence:
    """Whether a head was trained to the end.

    Attributes:
        not_converged: None where nobody can tell.
        share: fall of the loss in the last tenth, as a share of its whole fall; None where it did not fall.
        reason: a sentence.
    """

    not_converged: bool | None
    share: float | None
    reason: str


def converged(ends: Sequence[Mapping[str, float | None] | None]) -> Convergence:
    """Tell whether a head was trained to the end, from the ends of its trainings, one per seed, taken together.

    Args:
        ends: see `suite.training.curve.end_of`.
    """
    known = [end for end in ends if end is not None]
    if not ends or len(known) < len(ends):
        return Convergence(None, None, "cannot be told: too few steps")
    fall, whole = (_mean(known, name) for name in ("fall", "whole"))
    error = math.hypot(*(_number(end, "fall_se") for end in known)) / len(known)
    if not math.isfinite(fall + whole + error):
        return Convergence(None, None, "cannot be told: its losses are no numbers")
    if whole <= 0:
        return _without_fall(fall, NOISES * error)
    share, reach = fall / whole, NOISES * error / whole
    text = f"in the last tenth its loss fell by {100 * share:.1f} % of its whole fall"
    if share > max(HALF_PACE, reach):
        return Convergence(True, share, text)
    if max(share, 0.0) + reach <= HALF_PACE:  # a rise is noise, and makes nothing surer
        return Convergence(False, share, text)
    return Convergence(None, share, f"cannot be told: {text}, give or take {100 * reach:.1f} %")


def _without_fall(fall: float, reach: float) -> Convergence:
    """Tell of a loss that ended no lower than it began."""
    text = "its loss ended no lower than it began"
    if fall > reach:
        return Convergence(True, None, f"{text}, and fell in the last tenth")
    # a loss that stands still or rises has no further to fall; one whose noise hides a fall may have
    return Convergence(None if fall + reach > 0 else False, None, text)


def of_cell(trainings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a cell of a report says of the trainings behind it.

    Args:
        trainings: of its head at the stated learning rate, one per seed (`suite.results.records.TRAINING_FORM`).

    Returns:
        `not_converged`, `share` and `reason` of `Convergence`; `slope`, what the loss changed by over the last tenth of
        the steps, as a share of its last value; `loss`, the last one; `train` and `evaluation`, the last accuracies on
        training batches and of the result's metric, per cent. Means over seeds, None where unknown.
    """
    answer = converged([training.get("end") for training in trainings])
    loss = _last(trainings, "losses")
    ends = [training.get("end") or {} for training in trainings]
    slope = _mean(ends, "slope") / loss if loss else math.nan
    evaluations = [training["evaluations"][-1][1] for training in trainings if training["evaluations"]]
    return {
        "not_converged": answer.not_converged,
        "share": answer.share and round(answer.share, 4),
        "reason": answer.reason,
        "slope": None if math.isnan(slope) else round(slope, 4),
        "loss": loss,
        "train": _last(trainings, "accuracies"),
        "evaluation": round(sum(evaluations) / len(evaluations), 4) if evaluations else None,
    }


def _last(trainings: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return the mean of the last points of curves; None where one is unknown."""
    points = [training[name][-1] if training.get(name) else None for training in trainings]
    known = [point for point in points if point is not None]
    return round(sum(known) / len(known), 5) if known and len(known) == len(points) else None


def _mean(ends: Sequence[Mapping[str, float | None]], name: str) -> float:
    return sum(_number(end, name) for end in ends) / len(ends)


def _number(end: Mapping[str, float | None], name: str) -> float:
    value = end.get(name)
    return math.nan if value is None else value
