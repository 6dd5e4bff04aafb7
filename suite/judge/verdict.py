"""Verdict of a run on the reference: per cell, for all cells as a family, per claim.

A difference outside its tolerance (`suite.judge.cell_verdict`) deviates. One inside is reproduced, unless the interval
is wider than the cap fixed beforehand: then it is no evidence, and the cell is inconclusive. The paper reports no
seed noise, so for its values it is pooled from the run itself; recorded references bring their own.

Each interval errs on one true cell in twenty, so a single deviation is a warning; a run fails on those that
Holm's procedure confirms over all tested cells (strict: on any). Where nothing is left to chance (nothing was trained,
or the same seed was recorded), a deviation has p = 0.

A run ends in 0 only where every cell asked for is reproduced, deviates no more than that, is a known deviation, or has
no reference; whatever cannot be told ends in 2. Judging reads the results and the references, nothing else: no clock,
no environment, no torch. The same results say the same for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from suite.cells import CellId, Measurement
from suite.errors import RequestError
from suite.judge.cell_verdict import CellVerdict, judge_cell
from suite.judge.claims import Claim, ClaimVerdict, judge_claims
from suite.judge.family import ALPHA, Family, family_of
from suite.judge.known import excuse
from suite.judge.paired import Difference
from suite.reference.expected import Expected
from suite.reference.known import KnownDeviation
from suite.results.noise import pool_of, pooled_sd

__all__ = ["ALPHA", "CellVerdict", "ClaimVerdict", "Family", "Judgement", "judge"]

NOT_ASKED = "not asked for"
"""Reason of a cell that the profile lists and the request leaves out."""
VERDICTS = ("reproduced", "deviates", "inconclusive", "not run", "no reference", "known deviation", "unexpected")
EXIT_CODES = {
    "deviates": 1,
    "unexpected": 1,
    "claims differ": 1,
    "incomplete": 2,
    "inconclusive": 2,
    "reproduced": 0,
    "known deviation": 0,
    "not judged": 0,
}
"""Exit code of a run by its verdict, the worst first."""
ALLOWANCE = " Allowed by --allow-inconclusive."


@dataclass(frozen=True)
class Judgement:
    """Verdict of the run.

    Attributes:
        counts: cells of each of `VERDICTS`.
        verdict: the first that is true: `deviates`; `unexpected`, a known deviation is none any more or has expired;
            `claims differ`, where claims are a gate; `incomplete`, something asked for did not run; `inconclusive`, a
            judged cell is, or none is reproduced although some deviate singly; `reproduced`; `known deviation`, all
            that has a reference is one; `not judged`, nothing has a reference.
        sentence: the verdict for a stranger.
        exit_code: see `EXIT_CODES`; an inconclusive run that was allowed to be one ends in 0. Deviating wins: it stays
            true whatever else runs later.
        warnings: what a reader should see beside the verdict.
        failing: cells that fail the run.
        allow_inconclusive: what cannot be told was allowed.
    """

    cells: tuple[CellVerdict, ...]
    claims: tuple[ClaimVerdict, ...]
    counts: Mapping[str, int]
    family: Family
    verdict: str
    sentence: str
    exit_code: int
    warnings: tuple[str, ...] = ()
    failing: tuple[CellId, ...] = ()
    allow_inconclusive: bool = False


def judge(
    requested_cells: Sequence[CellId],
    measurements: Mapping[CellId, Measurement],
    expected: Mapping[CellId, Expected],
    not_run: Mapping[CellId, str],
    claims: Sequence[Claim],
    *,
    profile_cells: Sequence[CellId] = (),
    places: Mapping[CellId, str] = MappingProxyType({}),
    paired: Mapping[CellId, Difference | str] = MappingProxyType({}),
    known_deviations: Mapping[CellId, KnownDeviation] = MappingProxyType({}),
    finish_date: date = date.min,
    strict: bool = False,
    allow_inconclusive: bool = False,
    untestable_reasons: Mapping[str, str] = MappingProxyType({}),
    claims_gate: bool = False,
) -> Judgement:
    """Judge every cell and claim.

    Args:
        requested_cells: what was asked for: if it did not run, the run is incomplete.
        measurements: what ran, now or in an earlier part of the run; judged whether asked for or not.
        expected: the references.
        not_run: why cells did not run.
        claims: held against everything measured; they fail no run unless they are a gate.
        profile_cells: the profile's other cells, shown but not asked for: a method that was not chosen, an experiment
            that is not available yet.
        places: where the paper prints a cell, for references that do not say.
        paired: of cells that were accepted with `--at-least`, see `suite.judge.at_least`.
        known_deviations: deviations that are excused, see `suite.reference.known`.
        finish_date: the day on which the run finished, which decides whether an excuse has expired.
        strict: fail on any deviation, confirmed or not.
        allow_inconclusive: end in 0 although something cannot be told.
        untestable_reasons: why a claim, by its id, cannot be tested in this profile.
        claims_gate: fail on a claim that differs from the paper.

    Raises:
        RequestError: nothing was asked for, so nothing could have failed.
    """
    if not requested_cells:
        raise RequestError("nothing to judge: no cell fits what was asked for; choose another experiment or dataset")
    measurements = {cell: m for cell, m in measurements.items() if m.values and all(map(math.isfinite, m.values))}
    reasons = dict.fromkeys(requested_cells, "no result was stored") | dict(not_run)
    noise = pooled_sd(measurements.values())
    cells = []
    for cell in dict.fromkeys((*requested_cells, *profile_cells, *measurements)):
        reference = expected.get(cell)
        if cell in measurements:
            verdict = excuse(
                judge_cell(measurements[cell], reference, noise.get(pool_of(cell)), paired.get(cell)),
                known_deviations.get(cell),
                finish_date,
            )
        else:
            value = None if reference is None else reference.value
            verdict = CellVerdict(cell, None, "not run", reasons.get(cell, NOT_ASKED), expected=value)
        place = None if reference is None else reference.table
        cells.append(replace(verdict, table=place or places.get(cell)))
    claim_verdicts = judge_claims(claims, {cell: m.mean for cell, m in measurements.items()}, untestable_reasons)
    differing_claims = [claim.id for claim in claim_verdicts if claims_gate and claim.differs]
    return _judge_run(
        cells,
        set(requested_cells),
        claim_verdicts,
        differing_claims,
        strict=strict,
        allow_inconclusive=allow_inconclusive,
    )


def _judge_run(
    cells: Sequence[CellVerdict],
    requested_cells: set[CellId],
    claims: tuple[ClaimVerdict, ...],
    differing_claims: Sequence[str],
    *,
    strict: bool,
    allow_inconclusive: bool,
) -> Judgement:
    family = family_of(cells)
    cells = tuple(_warn(cell, family) for cell in cells)
    counts = {verdict: sum(c.verdict == verdict for c in cells) for verdict in VERDICTS}
    missing_count = sum(c.id in requested_cells and c.verdict == "not run" for c in cells)
    deviating_cells = [c for c in cells if c.verdict == "deviates" and (strict or not c.warning)]
    unexpected_cells = [c for c in cells if c.verdict == "unexpected"]
    verdict = _verdict(counts, bool(deviating_cells), bool(differing_claims), missing_count)
    parts = [
        *_bad_news(deviating_cells, unexpected_cells, differing_claims, counts),
        *([f"{missing_count} of {len(requested_cells)} cells asked for did not run"] if missing_count else []),
        *_good_news(verdict, counts, family, len(requested_cells)),
        *_aside(counts),
    ]
    sentence, exit_code = "; ".join(parts) + ".", EXIT_CODES[verdict]
    if verdict == "inconclusive" and allow_inconclusive:
        sentence, exit_code = sentence + ALLOWANCE, 0
    return Judgement(
        cells,
        claims,
        counts,
        family,
        verdict,
        sentence,
        exit_code,
        warnings=() if family.warning is None else (family.warning,),
        failing=tuple(c.id for c in (*deviating_cells, *unexpected_cells)),
        allow_inconclusive=allow_inconclusive,
    )


def _verdict(counts: Mapping[str, int], has_deviations: bool, has_differing_claims: bool, missing_count: int) -> str:
    if has_deviations:
        return "deviates"
    if counts["unexpected"]:
        return "unexpected"
    if has_differing_claims:
        return "claims differ"
    if missing_count:
        return "incomplete"
    if counts["inconclusive"] or (counts["deviates"] and not counts["reproduced"]):
        return "inconclusive"
    return next((word for word in ("reproduced", "known deviation") if counts[word]), "not judged")


def _warn(cell: CellVerdict, family: Family) -> CellVerdict:
    if cell.verdict != "deviates" or cell.id in family.rejected:
        return cell
    reason = f"{cell.reason}; not confirmed among {family.judged} tested cells (Holm, {family.alpha:.0%})"
    return replace(cell, warning=True, reason=reason)


def _bad_news(
    deviating_cells: Sequence[CellVerdict],
    unexpected_cells: Sequence[CellVerdict],
    differing_claims: Sequence[str],
    counts: Mapping[str, int],
) -> Iterator[str]:
    """Yield what fails the run."""
    if deviating_cells:
        worst_cell = max(deviating_cells, key=lambda cell: abs(cell.difference or 0))
        yield (
            f"{len(deviating_cells)} of {_judged_count(counts)} judged cells differ from their reference beyond "
            "tolerance, "
            f"most of all {worst_cell.id} with {worst_cell.measured:.2f} instead of {worst_cell.expected:.2f}"
        )
    if unexpected_cells:
        first_cell = unexpected_cells[0]
        subject = "deviations are" if len(unexpected_cells) > 1 else "deviation is"
        yield (
            f"{len(unexpected_cells)} known {subject} unexpected now, first {first_cell.id}, which {first_cell.reason}"
        )
    if differing_claims:
        subject = "claims are" if len(differing_claims) > 1 else "claim is"
        yield f"{len(differing_claims)} {subject} not as in the paper, first {differing_claims[0]} (--claims=gate)"


def _good_news(verdict: str, counts: Mapping[str, int], family: Family, requested_count: int) -> Iterator[str]:
    """Yield what agrees, and how sure that is; where a cell deviates, that alone is the news."""
    deviation_count, open_count = counts["deviates"], counts["inconclusive"]
    agreement = f"{counts['reproduced']} of {_judged_count(counts)} judged cells agree with their reference"
    if verdict == "inconclusive":
        yield (
            f"No deviation is confirmed, but only {agreement}; {open_count} cannot tell, with seed noise too large "
            "or unknown, "
            f"and {deviation_count} deviate singly"
        )
    elif verdict == "not judged":
        yield f"Everything asked for ran, but none of its cells ({requested_count}) has a reference value"
    elif verdict == "known deviation":
        yield "No cell agrees with its reference, and none differs from it but as known"
    elif verdict != "deviates" and _judged_count(counts):
        yield agreement
    if verdict == "reproduced" and deviation_count:
        yield (
            f"{deviation_count} deviate singly, more than chance explains, but none so far off that the family "
            "confirms it"
            if family.exceeds
            else "the remainder is within what chance explains"
        )


def _judged_count(counts: Mapping[str, int]) -> int:
    return counts["reproduced"] + counts["deviates"] + counts["inconclusive"]


def _aside(counts: Mapping[str, int]) -> list[str]:
    """Return what is neither good nor bad news, but is not to be overlooked."""
    known_count, bare_count = counts["known deviation"], counts["no reference"]
    remarks = [f"{known_count} deviate{'s' if known_count == 1 else ''} as known"] if known_count else []
    has_verdicts = _judged_count(counts) or known_count or counts["unexpected"]
    return [*remarks, f"{bare_count} ran without a reference value"] if bare_count and has_verdicts else remarks
