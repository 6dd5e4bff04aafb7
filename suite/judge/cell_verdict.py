"""One cell against its reference.

A seed that was recorded is held against its own recorded value: the same code on the same data with the same seed
draws the same numbers, so what is left is the machine's arithmetic, and anything beyond it is a change. Seeds that
were not recorded, and the paper's single runs, are judged by an interval (`suite.judge.intervals`): outside it a cell
deviates; inside it is reproduced, unless the interval is wider than the cap fixed beforehand, which is no evidence.

What was accepted with `--at-least` is held by the paired interval over images, as the one-sided gate holds two encoders
(`suite.judge.no_worse`), with the tolerance for its margin; and by the tolerance alone where nothing can be paired.

Without any seed noise there is no interval. Then only what no such noise explains is called a deviation: a difference
beyond the reference's gross bound, which was fixed before any run. It holds where the noise is known, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from suite.cells import CellId, Measurement
from suite.judge.intervals import Interval, seeds_needed
from suite.judge.no_worse import FAILS, OPEN, PASSES, allowance, held
from suite.judge.paired import Difference
from suite.reference.expected import Expected
from suite.results.noise import NOISE, Spread

HALF_DIGIT = 5e-7
"""Half the last digit that a recorded value is kept with."""
UNKNOWN_SEEDS = "unknown: two at least"
NO_SEEDS = "no number of seeds would decide: the reference's own noise alone is wider"
MORE_IMAGES = "more images would decide, and maybe more seeds"
_OF_PAIRS = {PASSES: "reproduced", FAILS: "deviates", OPEN: "inconclusive"}
_SEVERITY = ("reproduced", "inconclusive", "deviates")


@dataclass(frozen=True)
class CellVerdict:
    """One cell, measured or not; per cent, None where unknown.

    Attributes:
        table: its place in the paper.
        expected: the reference; where recorded seeds were measured again, the mean of what was recorded for them.
        difference: measured - expected.
        tolerance: largest difference that is no deviation; None where no seed noise is known.
        p_value: probability of so large a difference if the reference is right; None where it cannot be told.
        verdict: one of `suite.judge.verdict.VERDICTS`; only `reproduced` is green.
        reason: why, in words.
        warning: it deviates alone: Holm's procedure does not confirm it.
        values: one per seed.
        by_chance: seed noise plays a part in its p-value, so that one true cell in twenty deviates.
        seeds_needed: of an inconclusive cell: seeds that bring its interval below the cap; None where unknown or none.
        to_decide: the same in words, also where no number is known.
    """

    id: CellId
    table: str | None
    verdict: str
    reason: str
    unit: str = "percent"
    measured: float | None = None
    expected: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    p_value: float | None = None
    warning: bool = False
    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    by_chance: bool = False
    seeds_needed: int | None = None
    to_decide: str | None = None


@dataclass(frozen=True)
class _Part:
    """Result of some of the seeds: `seeds` of them, expected to have this mean."""

    seeds: int
    expected: float
    verdict: str
    reason: str
    tolerance: float | None = None
    p_value: float | None = None
    by_chance: bool = False
    seeds_needed: int | None = None
    to_decide: str | None = None


def judge_cell(
    measurement: Measurement, reference: Expected | None, noise: Spread | None, paired: Difference | str | None = None
) -> CellVerdict:
    """Hold a measured cell against its reference.

    Args:
        measurement: finite values.
        reference: None where there is none.
        noise: the run's own seed noise; a recorded one comes before it.
        paired: measured less accepted, item by item; or why there is no such thing; None where it is not asked for.
    """
    verdict = CellVerdict(
        measurement.id,
        None,
        "no reference",
        "no reference value for this cell",
        measured=measurement.mean,
        values=measurement.values,
        seeds=measurement.seeds,
    )
    if reference is None:
        return verdict
    if reference.value is None:
        return replace(verdict, reason=f"published but not transcribed: {reference.source}")
    by_seed = dict(zip(measurement.seeds, measurement.values, strict=False))
    repeats = {seed: value for seed, value in by_seed.items() if seed in reference.by_seed}
    new_values = [value for seed, value in by_seed.items() if seed not in repeats] if repeats else measurement.values
    parts = [_same_seeds(repeats, reference)] if repeats else []
    if new_values:
        parts.append(_by_interval(new_values, reference, reference.value, noise))
    if isinstance(paired, Difference):
        parts = [_by_pairs(part, paired, reference.cap) for part in parts]
    united = _united(verdict, measurement.mean, parts)
    return replace(united, reason=f"{united.reason}; {paired}") if isinstance(paired, str) else united


def _by_pairs(part: _Part, paired: Difference, cap: float) -> _Part:
    """Judge the items of this run against the accepted ones; the tolerance, at most the cap, is the margin.

    It is the one-sided gate's rule, which corrects for no family: a cell that is worse fails by itself (p = 0).
    """
    margin = cap if part.tolerance is None else min(cap, part.tolerance)
    answer = held(paired.low, paired.high, margin)
    reason = (
        f"differs by {paired.value:+.2f} from its lower bound, {paired.items:,} items of {paired.images:,} images "
        f"paired: 95 % interval {paired.low:+.2f} to {paired.high:+.2f}, {allowance(round(margin, 2))}: {answer}"
    )
    verdict = _OF_PAIRS[answer]
    to_decide = MORE_IMAGES if answer == OPEN else None
    return _Part(part.seeds, part.expected, verdict, reason, margin, float(answer != FAILS), to_decide=to_decide)


def _united(verdict: CellVerdict, mean: float, parts: Sequence[_Part]) -> CellVerdict:
    """Return the worst of what the seeds say, over the mean that was expected of just these seeds."""
    count = sum(part.seeds for part in parts)
    expected = sum(part.seeds * part.expected for part in parts) / count
    widths = [part.seeds * part.tolerance for part in parts if part.tolerance is not None]
    p_values = [part.p_value for part in parts if part.p_value is not None]
    last_part = parts[-1]
    return replace(
        verdict,
        verdict=max((part.verdict for part in parts), key=_SEVERITY.index),
        reason="; ".join(part.reason for part in parts),
        expected=expected,
        difference=mean - expected,
        tolerance=sum(widths) / count if len(widths) == len(parts) else None,
        p_value=min(p_values, default=None),
        by_chance=last_part.by_chance,
        seeds_needed=last_part.seeds_needed,
        to_decide=last_part.to_decide,
    )


def _same_seeds(repeats: Mapping[int, float], reference: Expected) -> _Part:
    """Judge recorded seeds, each against its own value: nothing is left to chance."""
    recorded_values = reference.by_seed
    limit = reference.machine + reference.rounding / 2
    differences = {seed: value - recorded_values[seed] for seed, value in repeats.items()}
    deviating_seeds = [seed for seed, difference in differences.items() if abs(difference) > limit + HALF_DIGIT]
    worst_seed = max(differences, key=lambda seed: abs(differences[seed]))
    distance = f"by {_points(differences[worst_seed])} from the recorded {_number(recorded_values[worst_seed])}"
    if not deviating_seeds:
        agreement = (
            f"seed {worst_seed} as recorded"
            if len(repeats) == 1
            else f"{len(repeats)} seeds as recorded, each by itself"
        )
        largest_difference = f"{_points(differences[worst_seed])}{'' if len(repeats) == 1 else ' at most'}"
        reason = f"{agreement}: differs by {largest_difference}, allowed {limit:g}"
    elif len(repeats) == 1:
        reason = f"seed {worst_seed} differs {distance}; the machine's arithmetic moves it by at most {limit:g}"
    else:
        reason = (
            f"{len(deviating_seeds)} of {len(repeats)} recorded seeds differ, seed {worst_seed} most of all, "
            f"{distance}; "
            f"the machine's arithmetic moves one by at most {limit:g}"
        )
    expected = fmean(recorded_values[seed] for seed in repeats)
    return _Part(
        len(repeats),
        expected,
        "deviates" if deviating_seeds else "reproduced",
        reason,
        limit,
        0.0 if deviating_seeds else 1.0,
    )


def _by_interval(values: Sequence[float], reference: Expected, value: float, noise: Spread | None) -> _Part:
    """Judge a mean of k runs against a mean of K; `value` is the reference's."""
    k, difference = len(values), fmean(values) - value
    slack = reference.rounding / 2 + reference.numeric
    spread = reference.spread or noise
    interval = Interval(slack) if reference.deterministic else None
    if interval is None and spread is not None:
        interval = Interval.of_means(slack, spread, k, reference.seeds)
    excess = _on_the_wrong_side(difference, reference.side)
    part = _Part(k, value, "reproduced", _difference_text(difference, reference, interval))
    if interval is not None:
        chance = interval.df is not None and interval.error > 0
        part = replace(part, tolerance=interval.half_width, p_value=interval.p_value(excess), by_chance=chance)
    if reference.gross is not None and abs(excess) > reference.gross + NOISE:
        reason = f"{part.reason}: beyond {reference.gross:g} points, which no seed noise of such a probe explains"
        return replace(part, verdict="deviates", reason=reason, p_value=0.0, by_chance=False)
    bound = reference.gross if interval is None else interval.half_width
    if reference.side is not None and excess == 0 and bound is not None and abs(difference) > bound:
        return part
    if interval is None:
        return _without_noise(part, difference, slack)
    if abs(excess) > interval.half_width + NOISE:
        return replace(part, verdict="deviates")
    if interval.half_width <= reference.cap + NOISE:
        return part
    seed_count, advice = None, "no number of seeds would decide: nothing is trained"
    if interval.df is not None and spread is not None:
        seed_count = seeds_needed(slack, reference.cap, spread, k, reference.seeds, pooled=reference.spread is None)
        advice = NO_SEEDS if seed_count is None else f"{seed_count} seeds would decide"
    reason = f"{part.reason}: wider than {reference.cap:g} is no evidence; {advice}"
    return replace(part, verdict="inconclusive", reason=reason, seeds_needed=seed_count, to_decide=advice)


def _without_noise(part: _Part, difference: float, slack: float) -> _Part:
    """Judge a probe's single seed, where nobody knows what another one would give."""
    if abs(difference) <= slack + NOISE:
        return replace(part, reason="equal to the printed digits")
    reason = "a single seed, and the seed noise is unknown: run SEED=0,1,2"
    return replace(part, verdict="inconclusive", reason=reason, to_decide=UNKNOWN_SEEDS)


def _on_the_wrong_side(difference: float, side: str | None) -> float:
    """Return the part of a difference that a one-sided bound does not allow."""
    if side is None:
        return difference
    return min(difference, 0.0) if side == "lower" else max(difference, 0.0)


def _difference_text(difference: float, reference: Expected, interval: Interval | None) -> str:
    bound = f" from its {reference.side} bound" if reference.side else ""
    tolerance = "" if interval is None else f", tolerance {interval.half_width:.2f}"
    return f"differs by {difference:+.2f}{bound}{tolerance}"


def _points(difference: float) -> str:
    """Write `+0.45`, `+0.0523`, `-1.00`: to four decimals, of which two are always shown."""
    text = f"{difference:+.4f}"
    return text[:-2] + text[-2:].rstrip("0")


def _number(value: float) -> str:
    """Write `35.4`, `35.375`: to four decimals, of which one is always shown."""
    text = f"{value:.4f}"
    return text[:-3] + text[-3:].rstrip("0")
