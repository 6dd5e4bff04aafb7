"""By how much a claim of the paper holds or fails here, and whether noise alone could flip it; no verdict looks at it.

Two kinds of noise, as in `suite.judge.uncertainty`, neither of which holds the other. *Other images*: all cells of a
comparison are drawn again over images, the same for cells of the same items, so that what is hard for all cancels;
cells of other items are drawn each for itself. *Other seeds*: cells whose probe is trained are drawn from Student's
distribution around their value, with the seed noise of their protocol. A comparison is put to the drawn values as to
the measured ones; its interval is that of the number it decides by: a difference, or a rank correlation.

A claim is a conjunction of K comparisons. It holds if all do, so noise can flip one that holds if it can flip any of
them (an intersection-union test: no correction is due). It fails if one does, so a claim fails beyond noise if one of
its counterexamples does, by Holm's procedure over all K. The share of draws in which the whole claim comes out
otherwise would not do: a conjunction of ties almost never holds, and would be called beyond noise.

Source: Berger (1982), Technometrics 24, 295-300, for tests of conjunctions.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from suite.cells import CellId
from suite.judge.bootstrap import SEED, around, share_across, values_drawn
from suite.judge.claims import Claim, evaluate
from suite.judge.comparisons import Comparison, Difference, versus
from suite.judge.family import ALPHA
from suite.judge.intervals import holm
from suite.judge.items import Items
from suite.judge.paired import draws_for
from suite.judge.uncertainty import Uncertainty
from suite.results.noise import pool_of

Draws = Mapping[CellId, NDArray[np.float64]]
COULD, CANNOT, UNKNOWN, NO_CHANCE = "could flip it", "cannot flip it", "unknown", "nothing is trained"
DRAWS = 1_999
"""Draws at least, as of a cell's interval (`suite.judge.uncertainty`)."""
DIGITS = 4
"""To which numbers are rounded, since another machine's sums differ in the last bits."""


@dataclass(frozen=True)
class Interval:
    """What one kind of noise does to a comparison.

    Attributes:
        low: of the 95 % interval of the number that decides.
        high: likewise.
        p_value: two-sided, of that number lying on the nearer bound.
        flips: the interval reaches where the comparison comes out otherwise.
    """

    low: float
    high: float
    p_value: float
    flips: bool


NONE = Interval(0.0, 0.0, 0.0, flips=False)
"""Of noise that a comparison does not have."""


@dataclass(frozen=True)
class Margin:
    """A comparison with its numbers.

    Attributes:
        text: the same in words.
        cells: the two whose difference decides; of a rank correlation all.
        amount: what decides: first less second, or the correlation.
        unit: `points` or `rank correlation`.
        least: that it has to be; None where that side is open.
        most: likewise.
        margin: by how much it holds; negative where it fails.
        images: other images; None where a cell has no scores of single items.
        is_paired: all cells are of the same items.
        seeds: other seeds; None where none of its cells is trained, or a seed noise is unknown.
        is_trained: a probe is, of one of its cells.
    """

    text: str
    cells: tuple[str, ...]
    amount: float
    unit: str
    least: float | None
    most: float | None
    margin: float
    images: Interval | None
    is_paired: bool
    seeds: Interval | None
    is_trained: bool


@dataclass(frozen=True)
class Noise:
    """A claim with its margins.

    Attributes:
        sentence: by how much it holds or fails, and what could flip it.
        images: whether other images could flip it: `could flip it`, `cannot flip it`, `unknown`.
        seeds: whether other seeds could, or `nothing is trained`.
        margins: of a claim that fails its counterexamples; of one that holds the narrowest comparison, and every other
            that noise could flip.
    """

    sentence: str
    images: str
    seeds: str
    margins: tuple[Margin, ...]


def claim_noise(
    claims: Sequence[Claim],
    values: Mapping[CellId, float],
    items: Items,
    uncertainties: Mapping[CellId, Uncertainty],
) -> dict[str, Noise]:
    """Return the noise of every claim whose cells were all measured, by its id.

    Args:
        claims: all of them.
        values: of the measured cells, per cent.
        items: of the run.
        uncertainties: of the measured cells.
    """
    decided = [claim for claim in claims if evaluate(claim, values).holds is not None]
    comparisons = list(dict.fromkeys(comparison for claim in decided for comparison in claim.comparisons))
    cells = list(dict.fromkeys(cell for comparison in comparisons for cell in comparison.cells))
    draws = draws_for(max((len(claim.comparisons) for claim in decided), default=1), ALPHA, DRAWS)
    images, identities = _other_images(cells, items, draws)
    seeds = _other_seeds({cell: values[cell] for cell in cells}, uncertainties, draws)
    trained = frozenset(cell for cell in cells if uncertainties[cell].seeds)
    margins = {c: _margin(c, values, _Drawn(images, identities, seeds, trained)) for c in comparisons}
    return {claim.id: _noise([margins[c] for c in claim.comparisons]) for claim in decided}


@dataclass(frozen=True)
class _Drawn:
    """Cells drawn again: over images, with the identity of their items, and over seeds; and which are trained."""

    images: Draws
    identities: Mapping[CellId, str]
    seeds: Draws
    trained: frozenset[CellId]


def _other_images(cells: Iterable[CellId], items: Items, draws: int) -> tuple[Draws, Mapping[CellId, str]]:
    """Draw cells again over images; return them, and which items each cell is of."""
    again: dict[CellId, NDArray[np.float64]] = {}
    identities: dict[CellId, str] = {}
    for group in items.shared(cells):
        # every set of items begins with the same random numbers, which must not pair sets that have nothing in common
        order = _generator(group.identity).permutation(draws)
        for cell, drawn in values_drawn(group.sums, draws=draws).items():
            again[cell] = around(group.sums[cell].value, drawn)[order]
            identities[cell] = group.identity
    return again, identities


def _other_seeds(values: Mapping[CellId, float], uncertainties: Mapping[CellId, Uncertainty], draws: int) -> Draws:
    """Draw cells again over seeds of their probes; cells of a protocol share the error of its seed noise."""
    again: dict[CellId, NDArray[np.float64]] = {}
    for cell, value in values.items():
        own = uncertainties[cell]
        if not own.seeds:
            again[cell] = np.full(draws, value)
        elif own.seed_sd is not None and own.seed_df:
            scale = np.sqrt(own.seed_df / _generator(str(pool_of(cell))).chisquare(own.seed_df, draws))
            error = own.seed_sd / math.sqrt(own.seeds)
            again[cell] = value + error * scale * _generator(str(cell)).standard_normal(draws)
    return again


def _generator(name: str) -> np.random.Generator:
    """Return random numbers of their own for whatever is called so, whatever else is drawn."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def _margin(comparison: Comparison, values: Mapping[CellId, float], drawn: _Drawn) -> Margin:
    is_trained = not drawn.trained.isdisjoint(comparison.cells)
    over_images = _interval(comparison, values, drawn.images)
    over_seeds = _interval(comparison, values, drawn.seeds) if is_trained else None
    pair = comparison.pair(values)
    least, most = (None if math.isinf(bound) else round(bound, DIGITS) for bound in comparison.bounds)
    amount = round(float(comparison.amount(values)), DIGITS)
    margin = Margin(
        text="",
        cells=tuple(map(str, pair or comparison.cells)),
        amount=amount,
        unit=comparison.unit,
        least=least,
        most=most,
        margin=round(comparison.margin(values), DIGITS),
        images=over_images,
        is_paired=len({drawn.identities.get(cell) for cell in comparison.cells} - {None}) == 1,
        seeds=over_seeds,
        is_trained=is_trained,
    )
    return replace(margin, text=f"{_numbers(comparison, values)}; {_words(margin)}")


def _interval(comparison: Comparison, values: Mapping[CellId, float], draws: Draws) -> Interval | None:
    """Put a comparison to drawn values; None where one of its cells was not drawn."""
    if any(cell not in draws for cell in comparison.cells):
        return None
    amounts, (least, most) = comparison.amount(draws), comparison.bounds
    low, high = (float(end) for end in np.quantile(amounts, [0.025, 0.975]))
    reaches_in, reaches_out = low <= most and high >= least, low < least or high > most
    return Interval(
        low=round(low, DIGITS),
        high=round(high, DIGITS),
        p_value=max(share_across(bound, amounts) for bound in (least, most) if math.isfinite(bound)),
        flips=reaches_out if comparison.holds(values) else reaches_in,
    )


def _numbers(comparison: Comparison, values: Mapping[CellId, float]) -> str:
    """Write what is compared, by how much it differs, and what it has to be."""
    text, amount, pair = comparison.show(values), float(comparison.amount(values)), comparison.pair(values)
    if pair is None:
        return f"{text}, needs {comparison.needs}"
    if not isinstance(comparison, Difference):
        text += f", decided by {versus(*pair, values)}"
    return f"{text}, difference {amount:+.2f}, needs {comparison.needs}"


def _words(margin: Margin) -> str:
    """Write what each kind of noise does to a comparison."""
    return "; ".join(
        f"{name} {_ends(interval)}"
        for name, interval, has_chance in (
            ("other images", margin.images, True),
            ("other seeds", margin.seeds, margin.is_trained),
        )
        if has_chance
    )


def _ends(interval: Interval | None) -> str:
    if interval is None:
        return UNKNOWN
    return f"{interval.low:+.2f} to {interval.high:+.2f}, {COULD if interval.flips else CANNOT}"


def _noise(margins: Sequence[Margin]) -> Noise:
    """Sum up the comparisons of a claim."""
    failing = [margin for margin in margins if margin.margin < 0]
    images = _answer(margins, [margin.images for margin in margins])
    is_trained = any(margin.is_trained for margin in margins)
    seeds = _answer(margins, [m.seeds if m.is_trained else NONE for m in margins]) if is_trained else NO_CHANCE
    narrowest = min(margins, key=lambda margin: margin.margin)
    others = [margin for margin in margins if margin is not narrowest and _is_open(margin)]
    head = f"Fails by up to {_size(narrowest)}" if failing else f"Holds by {_size(narrowest)} at least"
    family = f"by Holm's procedure over its {len(margins)} comparisons " if failing and len(margins) > 1 else ""
    sentence = f"{head}; {family}{_said('images', images)}; {_said('seeds', seeds)}."
    return Noise(sentence, images, seeds, tuple(failing or (narrowest, *others)))


def _said(kind: str, answer: str) -> str:
    if answer == NO_CHANCE:
        return f"{answer}, so {kind} play no part"
    return f"whether other {kind} could flip it is unknown" if answer == UNKNOWN else f"other {kind} {answer}"


def _answer(margins: Sequence[Margin], intervals: Sequence[Interval | None]) -> str:
    """Tell whether a kind of noise could flip a claim; see the top of this file."""
    pairs = list(zip(margins, intervals, strict=True))
    failing = {k: interval for k, (margin, interval) in enumerate(pairs) if margin.margin < 0}
    if failing:
        p_values = {k: i.p_value if k in failing and i else 1.0 for k, (_, i) in enumerate(pairs)}
        if holm(p_values, ALPHA):
            return CANNOT
        return UNKNOWN if None in failing.values() else COULD
    if any(interval.flips for interval in intervals if interval is not None):
        return COULD
    return UNKNOWN if None in intervals else CANNOT


def _is_open(margin: Margin) -> bool:
    return any(interval.flips for interval in (margin.images, margin.seeds) if interval is not None)


def _size(margin: Margin) -> str:
    size = abs(margin.margin)
    return f"{size:.2f} points" if margin.unit == "points" else f"{size:.2f} of a {margin.unit}"
