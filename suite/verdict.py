"""What a run says about the reference: per cell, for all cells as a family, per claim.

A difference outside its tolerance (`suite.intervals`) deviates. One inside is reproduced, unless the interval is
wider than the cap fixed beforehand: then it is no evidence, and the cell is inconclusive. The paper reports no
seed noise, so for its values it is pooled from the run itself; recorded references bring their own.

Each interval errs on one true cell in twenty, so a single deviation is a warning; a run fails on those that
Holm's procedure confirms over all tested cells (strict: on any). Where nothing was trained, a deviation has p = 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from suite.cells import CellId, Measurement
from suite.claims import Claim, ClaimVerdict, judge_claims
from suite.errors import RequestError
from suite.expected import Expected
from suite.intervals import NOISE, Interval, Spread, holm, pool_of, pooled_sd

__all__ = ["CellVerdict", "ClaimVerdict", "Family", "Judgement", "judge"]

NOT_ASKED = "not asked for"
"""Reason of a cell that the profile lists and the request leaves out."""
ALPHA = 0.05
VERDICTS = ("reproduced", "deviates", "inconclusive", "not run", "no reference")


@dataclass(frozen=True)
class CellVerdict:
    """One cell, measured or not; per cent, None where unknown.

    Attributes:
        table: its place in the paper.
        difference: measured - expected.
        tolerance: largest difference that is no deviation; None where no seed noise is known.
        p_value: probability of so large a difference if the reference is right; None where it cannot be told.
        verdict: one of `VERDICTS`; only `reproduced` is green.
        reason: why, in words.
        warning: it deviates alone: Holm's procedure does not confirm it.
        values: one per seed.
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


@dataclass(frozen=True)
class Family:
    """Holm's procedure over the `judged` cells that have a p-value."""

    alpha: float
    judged: int
    rejected: tuple[CellId, ...]


@dataclass(frozen=True)
class Judgement:
    """What the run says.

    Attributes:
        counts: cells of each of `VERDICTS`.
        verdict: `deviates`; else `incomplete`, something asked for did not run; else `inconclusive`, a judged
            cell is, or none could be judged; else `reproduced`.
        sentence: the verdict for a stranger.
        exit_code: 1 deviates, 2 incomplete, else 0. Deviating wins: it stays true whatever else runs later.
    """

    cells: tuple[CellVerdict, ...]
    claims: tuple[ClaimVerdict, ...]
    counts: Mapping[str, int]
    family: Family
    verdict: str
    sentence: str
    exit_code: int


def judge(
    wanted: Sequence[CellId],
    measured: Mapping[CellId, Measurement],
    expected: Mapping[CellId, Expected],
    not_run: Mapping[CellId, str],
    claims: Sequence[Claim],
    *,
    listed: Sequence[CellId] = (),
    places: Mapping[CellId, str] = MappingProxyType({}),
    strict: bool = False,
) -> Judgement:
    """Judge every cell and claim.

    Args:
        wanted: what was asked for: if it did not run, the run is incomplete.
        measured: what ran, now or in an earlier part of the run; judged whether asked for or not.
        expected: the references.
        not_run: why cells did not run.
        claims: held against everything measured; they never fail a run.
        listed: the profile's other cells, shown but not asked for: a method that was not chosen, an experiment
            that is not available yet.
        places: where the paper prints a cell, for references that do not say.
        strict: fail on any deviation, confirmed or not.

    Raises:
        RequestError: nothing was asked for, so nothing could have failed.
    """
    if not wanted:
        raise RequestError("nothing to judge: no cell fits what was asked for; choose another experiment or dataset")
    measured = {cell: m for cell, m in measured.items() if m.values and all(map(math.isfinite, m.values))}
    reasons = dict.fromkeys(wanted, "no result was stored") | dict(not_run)
    noise = pooled_sd(measured.values())
    cells = []
    for cell in dict.fromkeys((*wanted, *listed, *measured)):
        reference = expected.get(cell)
        if cell in measured:
            found = _judge_cell(measured[cell], reference, noise.get(pool_of(cell)))
        else:
            value = None if reference is None else reference.value
            found = CellVerdict(cell, None, "not run", reasons.get(cell, NOT_ASKED), expected=value)
        place = None if reference is None else reference.table
        cells.append(replace(found, table=place or places.get(cell)))
    held = judge_claims(claims, {cell: m.mean for cell, m in measured.items()})
    return _judge_run(cells, wanted, held, strict=strict)


def _judge_cell(measurement: Measurement, reference: Expected | None, noise: Spread | None) -> CellVerdict:
    """`noise` is the run's own; a recorded one comes before it."""
    found = CellVerdict(
        measurement.id,
        None,
        "no reference",
        "no reference value for this cell",
        measured=measurement.mean,
        values=measurement.values,
        seeds=measurement.seeds,
    )
    if reference is None:
        return found
    if reference.value is None:
        return replace(found, reason=f"published but not transcribed: {reference.source}")
    difference = measurement.mean - reference.value
    interval = _interval(reference, len(measurement.values), reference.spread or noise)
    verdict, reason = _compare(difference, reference, interval)
    return replace(
        found,
        verdict=verdict,
        reason=reason,
        expected=reference.value,
        difference=difference,
        tolerance=None if interval is None else interval.half_width,
        p_value=None if interval is None else interval.p_value(difference),
    )


def _interval(reference: Expected, k: int, noise: Spread | None) -> Interval | None:
    """None where a probe was trained and nothing is known about its seed noise."""
    slack = reference.rounding / 2 + reference.numeric
    if reference.deterministic:
        return Interval(slack)
    return None if noise is None else Interval.of_means(slack, noise, k, reference.seeds)


def _compare(difference: float, reference: Expected, interval: Interval | None) -> tuple[str, str]:
    """Verdict and reason."""
    if interval is None:
        if abs(difference) <= reference.rounding / 2 + reference.numeric + NOISE:
            return "reproduced", "equal to the printed digits"
        return "inconclusive", "a single seed, and the seed noise is unknown: run SEED=0,1,2"
    width = interval.half_width
    seen = f"differs by {difference:+.2f}, tolerance {width:.2f}"
    if abs(difference) > width + NOISE:
        return "deviates", seen
    if width > reference.cap + NOISE:
        return "inconclusive", f"{seen}: wider than {reference.cap:g} is no evidence; run more seeds"
    return "reproduced", seen


def _judge_run(
    cells: Sequence[CellVerdict], wanted: Sequence[CellId], claims: tuple[ClaimVerdict, ...], *, strict: bool
) -> Judgement:
    p_values = {c.id: c.p_value for c in cells if c.p_value is not None}
    family = Family(ALPHA, len(p_values), holm(p_values, ALPHA))
    cells = tuple(_warn(cell, family) for cell in cells)
    counts = {verdict: sum(c.verdict == verdict for c in cells) for verdict in VERDICTS}
    asked = set(wanted)
    missing = sum(c.id in asked and c.verdict == "not run" for c in cells)
    failing = [c for c in cells if c.verdict == "deviates" and (strict or not c.warning)]
    if failing:
        verdict, exit_code = "deviates", 1
    elif missing:
        verdict, exit_code = "incomplete", 2
    else:
        verdict = "inconclusive" if counts["inconclusive"] or not counts["reproduced"] else "reproduced"
        exit_code = 0
    sentence = _sentence(verdict, counts, failing, missing=missing, asked=len(asked))
    return Judgement(cells, claims, counts, family, verdict, sentence, exit_code)


def _warn(cell: CellVerdict, family: Family) -> CellVerdict:
    if cell.verdict != "deviates" or cell.id in family.rejected:
        return cell
    why = f"{cell.reason}; not confirmed among {family.judged} tested cells (Holm, {family.alpha:.0%})"
    return replace(cell, warning=True, reason=why)


def _sentence(
    verdict: str, counts: Mapping[str, int], failing: Sequence[CellVerdict], *, missing: int, asked: int
) -> str:
    good, off, open_ = (counts[name] for name in VERDICTS[:3])
    judged = good + off + open_
    lost = f"{missing} of {asked} cells asked for did not run"
    if verdict == "deviates":
        worst = max(failing, key=lambda cell: abs(cell.difference or 0))
        return (
            f"{len(failing)} of {judged} judged cells differ from their reference beyond tolerance, "
            f"most of all {worst.id} with {worst.measured:.2f} instead of {worst.expected:.2f}"
            + (f"; {lost}." if missing else ".")
        )
    if verdict == "incomplete":
        return f"{lost}; {good} of {judged} judged cells agree with their reference."
    if not judged:
        return f"Everything asked for ran, but none of its cells ({asked}) has a reference value."
    if verdict == "inconclusive":
        return (
            f"No deviation is confirmed, but only {good} of {judged} judged cells agree with their "
            f"reference; {open_} cannot tell, with seed noise too large or unknown, and {off} deviate singly."
        )
    chance = "; the remainder is within what chance explains" if off else ""
    return f"{good} of {judged} judged cells agree with their reference{chance}."
