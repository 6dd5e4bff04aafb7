"""Testability of the paper's claims by a profile.

A claim compares encoders. Where most numbers of a comparison do not stand above what an untrained encoder and raw
pixels reach on the same task by three times the seed noise, it says nothing about pretraining. The mini study carries
those baselines beside every task; the paper's profile has none, and can test whatever it measures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from suite.cells import BASELINES, CellId
from suite.judge.claims import Claim
from suite.protocol.profiles import Profile
from suite.reference.expected import Expected

NOISES = 3
"""Times the seed noise by which a number has to stand above the baselines."""


def untestable_reasons(
    claims: Sequence[Claim], profile: Profile, expected: Mapping[CellId, Expected], limit: int | None = None
) -> dict[str, str]:
    """Return the claims that cannot be tested, and why.

    Args:
        claims: all of them.
        profile: what is measured.
        expected: its references, with those of the baselines.
        limit: of a smoke run, which sees a few images only.

    Returns:
        Claim id -> the reason.
    """
    if limit is not None:
        return {claim.id: f"a run limited to {limit} views measures something else" for claim in claims}
    profile_cells = set(profile.cells())
    reasons = ((claim.id, _reason(claim, profile.name, profile_cells, expected)) for claim in claims)
    return {name: reason for name, reason in reasons if reason is not None}


def _reason(
    claim: Claim, profile: str, profile_cells: Collection[CellId], expected: Mapping[CellId, Expected]
) -> str | None:
    cells = list(dict.fromkeys(cell for comparison in claim.comparisons for cell in comparison.cells))
    absent_cells = [cell for cell in cells if cell not in profile_cells]
    if absent_cells:
        return f"the {profile} profile lists no {absent_cells[0]}"
    low_cells = dict(_low(cells, expected))
    mute_comparisons = [
        c.cells for c in claim.comparisons if sum(cell in low_cells for cell in c.cells) > len(c.cells) / 2
    ]
    if not mute_comparisons:
        return None
    cell = next(cell for cell in mute_comparisons[0] if cell in low_cells)
    return (
        f"in {len(mute_comparisons)} of its {len(claim.comparisons)} comparisons most numbers do not stand above the "
        "baselines by "
        f"{NOISES} times the seed noise, first {cell} with {expected[cell].value:.1f} against {low_cells[cell]:.1f}"
    )


def _low(cells: Sequence[CellId], expected: Mapping[CellId, Expected]) -> Iterator[tuple[CellId, float]]:
    """Yield (cell, the higher baseline) where the two are too close; where there is no baseline nothing is said."""
    for cell in cells:
        baselines = [expected.get(replace(cell, method=baseline)) for baseline in BASELINES]
        values = [baseline.value for baseline in baselines if baseline is not None and baseline.value is not None]
        reference = expected.get(cell)
        if reference is None or reference.value is None or not values:
            continue
        noise = reference.numeric if reference.spread is None else reference.spread.sd
        if reference.value - max(values) <= NOISES * noise:
            yield cell, max(values)
