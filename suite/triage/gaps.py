"""Gaps of a run: cells that differ from what they are held against, and what difference would be none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from suite.cells import CellId, Measurement
from suite.errors import RequestError
from suite.reference.expected import Expected
from suite.reference.select import references
from suite.results.noise import Spread, pool_of, pooled_sd
from suite.results.store import Store
from suite.run.request import Request
from suite.run.run_file import read_run
from suite.triage.outcome import Gap

OPEN = ("deviates", "inconclusive", "unexpected")
"""Verdicts of cells that are triaged unless others are named."""
NUMERIC = 0.05
"""Points that no difference of two runs is below, where no reference says how far a machine moves a cell."""


def gaps_of(
    request: Request,
    cells: Sequence[Mapping[str, Any]],
    measurements: Mapping[CellId, Measurement],
    against: Path | None,
) -> list[Gap]:
    """List every cell of a run that has something to be held against.

    Args:
        request: of the run.
        cells: of its report.
        measurements: of the run.
        against: another run, which takes the references' place.

    Raises:
        RequestError: the other folder is no run, or one of another profile or limit.
        EvidenceError: a result there was altered.
    """
    known = references(request.profile.name, {}, None)
    noise = pooled_sd(measurements.values())

    def gap(cell: CellId, verdict: str, expected: float, allowed: float) -> Gap:
        reference = known.get(cell)
        spread = (reference.spread if reference else None) or noise.get(pool_of(cell))
        measurement = measurements[cell]
        return Gap(cell, verdict, measurement.mean, expected, allowed, _seed_noise(measurement, spread))

    if against is not None:
        others = _values(request, against)
        return [
            gap(cell, f"beside {against}", others[cell], _of_machine(known.get(cell)))
            for cell in measurements
            if cell in others
        ]
    held = references(request.profile.name, request.variants, request.limit, request.encoders, request.accepted)
    entries = {CellId.parse(entry["id"]): entry for entry in cells if entry["expected"] is not None}
    return [
        gap(cell, entry["verdict"], entry["expected"], _allowed(entry["tolerance"], held[cell]))
        for cell, entry in entries.items()
        if cell in measurements and cell in held
    ]


def chosen(
    gaps: Sequence[Gap], names: Sequence[str], measurements: Mapping[CellId, Measurement], run: Path
) -> list[Gap]:
    """Choose the cells to triage: those named, each by its name or the beginning of it; else all that are open.

    Raises:
        RequestError: a name that is no measured cell's, or one of a cell that nothing is held against.
    """
    if not names:
        return [gap for gap in gaps if gap.verdict in OPEN or (gap.verdict.startswith("beside") and gap.is_open)]
    picked: dict[CellId, Gap] = {}
    for name in names:
        cells = [cell for cell in measurements if f"{cell}/".startswith(f"{name.rstrip('/')}/")]
        if not cells:
            raise _no_such_cell(name, measurements, run)
        own = {gap.cell: gap for gap in gaps if gap.cell in cells}
        if not own:
            raise RequestError(
                f"{run}: cell {cells[0]}: expected one with a reference, got one without: name a run that it is held "
                "against, e.g. AGAINST=runs/other"
            )
        picked |= own
    return list(picked.values())


def _no_such_cell(name: str, measurements: Mapping[CellId, Measurement], run: Path) -> RequestError:
    names = [str(cell) for cell in measurements]
    words = [*names, *dict.fromkeys("/".join(cell.split("/")[:count]) for cell in names for count in (1, 2, 3, 4))]
    near = get_close_matches(name, words, n=3, cutoff=0.6)
    advice = f"{' or '.join(near)} is meant?" if near else f"expected one of {len(names)}, e.g. {names[0]}"
    return RequestError(f"{run}: --cell {name!r}: the run measured no such cell: {advice}")


def _values(request: Request, against: Path) -> dict[CellId, float]:
    """Return the cells of another run, which must be of the same data."""
    asked = read_run(against)["asked"]
    for name, own in (("profile", request.profile.name), ("limit", request.limit)):
        if asked[name] != own:
            raise RequestError(
                f"--against {against}: expected a run of {name} {own}, as {request.run}, got one of {asked[name]}"
            )
    return {m.id: m.mean for result in Store(against).results() for m in result.measurements()}


def _allowed(tolerance: float | None, reference: Expected) -> float:
    """Return the difference that is no gap: the tolerance, unless it is wider than what is evidence."""
    return reference.cap if tolerance is None else min(tolerance, reference.cap)


def _of_machine(reference: Expected | None) -> float:
    """Return how far two runs of the same may differ."""
    return NUMERIC if reference is None else max(reference.numeric, reference.machine)


def _seed_noise(measurement: Measurement, spread: Spread | None) -> float | None:
    """Return how far seeds move the difference of two runs, 95 %: 0 where none plays a part, None where unknown."""
    if measurement.deterministic:
        return 0.0
    if spread is None:
        return None
    return float(stdtrit(spread.df, 0.975)) * spread.sd * math.sqrt(2 / len(measurement.values))
