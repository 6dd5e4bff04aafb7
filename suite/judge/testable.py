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


def untestable(
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
    listed = set(profile.cells())
    reasons = ((claim.id, _why(claim, profile.name, listed, expected)) for claim in claims)
    return {name: why for name, why in reasons if why is not None}


def _why(claim: Claim, profile: str, listed: Collection[CellId], expected: Mapping[CellId, Expected]) -> str | None:
    cells = list(dict.fromkeys(cell for comparison in claim.comparisons for cell in comparison.cells))
    absent = [cell for cell in cells if cell not in listed]
    if absent:
        return f"the {profile} profile lists no {absent[0]}"
    low = dict(_low(cells, expected))
    mute = [c.cells for c in claim.comparisons if sum(cell in low for cell in c.cells) > len(c.cells) / 2]
    if not mute:
        return None
    cell = next(cell for cell in mute[0] if cell in low)
    return (
        f"in {len(mute)} of its {len(claim.comparisons)} comparisons most numbers do not stand above the baselines by "
        f"{NOISES} times the seed noise, first {cell} with {expected[cell].value:.1f} against {low[cell]:.1f}"
    )


def _low(cells: Sequence[CellId], expected: Mapping[CellId, Expected]) -> Iterator[tuple[CellId, float]]:
    """Yield (cell, the higher baseline) where the two are too close; where there is no baseline nothing is said."""
    for cell in cells:
        baselines = [expected.get(replace(cell, method=baseline)) for baseline in BASELINES]
        values = [baseline.value for baseline in baselines if baseline is not None and baseline.value is not None]
        own = expected.get(cell)
        if own is None or own.value is None or not values:
            continue
        noise = own.numeric if own.spread is None else own.spread.sd
        if own.value - max(values) <= NOISES * noise:
            yield cell, max(values)
