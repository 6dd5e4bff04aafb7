"""What a cell's value is worth by itself: other images, and other seeds of its probe, kept apart.

The interval over images says what other images of the same kind would give with the same gallery and the same fitted
probe; seed noise says how the value moves when the probe is trained again from another seed on the same images.
Neither holds the other, and neither is of use for the other's question. No verdict looks at the interval: a run is to
repeat its reference on the same images, where there is no chance in them. Seed noise is that of the tolerance
(`suite.judge.intervals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from suite.cells import CellId
from suite.judge.bootstrap import interval, values_drawn
from suite.judge.items import Items
from suite.reference.expected import Expected
from suite.results.noise import pool_of, pooled_sd
from suite.results.store import Result

DRAWS = 1_999
"""Bootstrap samples of an interval: their own chance moves its ends by a twentieth of its half width."""


@dataclass(frozen=True)
class Uncertainty:
    """Of one cell, in points of per cent.

    Attributes:
        low: of the 95 % interval over images; None where no scores of single items are stored.
        high: likewise.
        images: drawn again.
        seed_sd: standard deviation of the value of one seed; None where nothing is trained, or nobody knows.
        seed_df: its degrees of freedom.
        seeds: the value is the mean of.
    """

    low: float | None = None
    high: float | None = None
    images: int | None = None
    seed_sd: float | None = None
    seed_df: int | None = None
    seeds: int = 0


def uncertainties(
    results: Sequence[Result], items: Items, expected: Mapping[CellId, Expected]
) -> dict[CellId, Uncertainty]:
    """Return the uncertainty of every measured cell.

    Args:
        results: of the run.
        items: likewise.
        expected: references, some of which bring a seed noise of their own, which comes before the run's.
    """
    measurements = {m.id: m for result in results for m in result.measurements()}
    noise = pooled_sd(measurements.values())
    intervals = _intervals(measurements, items)
    answers = {}
    for cell, measurement in measurements.items():
        reference = expected.get(cell)
        spread = None
        if measurement.seeds:
            spread = (reference and reference.spread) or noise.get(pool_of(cell))
        low, high, images = intervals.get(cell, (None, None, None))
        answers[cell] = Uncertainty(
            low,
            high,
            images,
            seed_sd=round(spread.sd, 6) if spread else None,
            seed_df=spread.df if spread else None,
            seeds=len(measurement.seeds),
        )
    return answers


def _intervals(cells: Iterable[CellId], items: Items) -> dict[CellId, tuple[float, float, int]]:
    """Return ends, and number of images, of every interval that items tell; cells of the same images share draws."""
    intervals = {}
    for group in items.shared(cells):
        for cell, drawn in values_drawn(group.sums, draws=DRAWS).items():
            sums = group.sums[cell]
            # rounded, since another machine's sums differ in the last bits and a report is compared byte by byte
            low, high = (round(min(100.0, max(0.0, end)), 4) for end in interval(sums.value, drawn))
            intervals[cell] = low, high, len(sums.parts)
    return intervals
