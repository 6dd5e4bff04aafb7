"""Reference values, `expected/<profile>/*.toml`: typed from the paper, or recorded by `make record` (mini).

One section per experiment; a number without unit, source or a reasoned tolerance is refused:

    [part_retrieval]
    table = "Table 3"                           # optional: its place in the paper
    source = "ICLR 2023 submission, Table 3"
    unit = "percent"
    rounding = 0.1                              # step of the printed digits; 0 for a recorded mean
    deterministic = true                        # false where a probe was trained
    [part_retrieval.tolerance.ap]               # numeric, cap, reason; recorded probes: also machine
    gross = 2.0                                 # optional, with gross_reason: no seed noise explains more
    [part_retrieval.cells.cub200.encoded.ap]
    dino = 48.9                                 # or "not transcribed"; recorded: { mean = .., values = [..] };
                                                # where only one side is said: { lower = 48.9 } or { upper = 48.9 }
    [part_retrieval.recorded]                   # recorded only: command, commit, date, machine, seeds
    [part_retrieval.machine.cub200.encoded.ap]  # of cells that move further than their metric's `machine`: deit = 0.9
    [part_retrieval.spread.cub200.encoded.ap]   # recorded probes only: pool = { sd = .., df = .. }
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from suite.cells import CellId, Measurement
from suite.core.paths import NO_CHECKOUT
from suite.core.schema import Node, read_toml
from suite.errors import ExpectedError, unknown
from suite.protocol.tables import PROFILES
from suite.reference.accepted_items import AcceptedItems
from suite.reference.seal import check_seal
from suite.results.noise import Spread, pool_of, pooled_sd

RECORDED = "mini"
"""The profile whose references are our own runs."""
NOT_TRANSCRIBED = "not transcribed"
EDITED = "does not follow from the raw values: was it edited by hand? Run `make record`"


@dataclass(frozen=True)
class Expected:
    """The reference of one cell.

    Attributes:
        value: per cent; None where the paper has a number that is not transcribed.
        rounding: step of the printed digits; 0 for a recorded mean.
        table: place in the paper, e.g. `Table 3`.
        deterministic: nothing was trained, so no seed plays a part.
        numeric: points by which decoder, dtype and summation order may move the cell.
        cap: widest half-interval (points) that still is evidence, fixed before any run.
        reason: why this `numeric` and this `cap`.
        seed_sd: recorded seed noise of the protocol, in points; None for the paper, which reports none.
        seed_df: its degrees of freedom.
        seeds: runs behind `value`; 1 for the paper.
        by_seed: recorded value of each recorded seed, per cent; empty where no seed was recorded: for the paper's
            values, for what is not trained, and for accepted values.
        machine: points by which the value of a recorded seed may move on another machine.
        gross: difference (points) that no seed noise of such probes explains, fixed before any run; None for no bound.
        gross_reason: why this bound, with the source of the noise that it is held against.
        side: `lower` or `upper` where `value` bounds the cell from one side only; None where it is its value.
        items: the file with the scores of single items that were accepted with the value; None where none were.
    """

    cell: CellId
    value: float | None
    unit: str
    rounding: float
    table: str | None
    source: str
    deterministic: bool
    numeric: float
    cap: float
    reason: str
    seed_sd: float | None = None
    seed_df: int | None = None
    seeds: int = 1
    by_seed: Mapping[int, float] = field(default_factory=dict)
    machine: float = 0.0
    gross: float | None = None
    gross_reason: str | None = None
    side: str | None = None
    items: AcceptedItems | None = None

    @property
    def spread(self) -> Spread | None:
        """The recorded seed noise, if there is any."""
        return None if self.seed_sd is None or self.seed_df is None else Spread(self.seed_sd, self.seed_df)


def load_expected(profile: str, root: Path) -> dict[CellId, Expected]:
    """Read every reference of a profile; empty where none is recorded yet.

    Raises:
        RequestError: no such profile.
        ExpectedError: a file breaks the schema (the message names the key), two files give one cell, or recorded
            files are not those that were sealed (`suite.reference.seal`).
    """
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    if not root.is_dir():
        raise ExpectedError(f"{root}: {NO_CHECKOUT}")
    if profile == RECORDED:
        check_seal(root / profile)
    references: dict[CellId, Expected] = {}
    origin: dict[CellId, Path] = {}
    for path in sorted((root / profile).glob("*.toml")):
        for reference in _read(path):
            cell = reference.cell
            if cell in references:
                raise ExpectedError(f"{path}: {cell}: already given in {origin[cell]}: keep one of them")
            references[cell], origin[cell] = reference, path
    return references


def places(root: Path) -> dict[CellId, str]:
    """Tell the place where the paper prints each cell, e.g. `Table 3`; cells without a known place are left out."""
    return {cell: e.table for cell, e in load_expected("paper", root).items() if e.table is not None}


def _read(path: Path) -> Iterator[Expected]:
    for experiment, section in read_toml(path).children():
        section_facts = {
            "table": section.take("table", "a text", None),
            "source": section.take("source", "a text"),
            "unit": section.take("unit", "a text"),
            "rounding": section.take("rounding", "a number >= 0"),
            "deterministic": section.take("deterministic", "true or false"),
        }
        if section_facts["unit"] != "percent":
            raise section.error("unit", f"expected 'percent', got {section_facts['unit']!r}")
        limits = dict(section.child("tolerance").children())
        runs: dict[CellId, tuple[float, ...]] = {}
        sides: dict[CellId, str] = {}
        values = dict(_cells(experiment, section.child("cells"), runs, sides))
        if runs and len(runs) < len(values):
            bare_cell = next(cell for cell in values if cell not in runs)
            raise section.error("cells", f"expected a recorded table for every cell, got a bare value for {bare_cell}")
        seeds, noise = _noise(experiment, section, runs) if runs else ((), {})
        machine_slack = dict(_machine_slack(experiment, section.child("machine"), runs)) if seeds else {}
        section.end()
        tolerances = {metric: _tolerance(node, trained=bool(seeds)) for metric, node in limits.items()}
        for cell, value in values.items():
            if cell.metric not in tolerances:
                raise section.error(f"tolerance.{cell.metric}", f"missing: needed by {cell}")
            cell_facts: dict[str, Any] = {"side": sides.get(cell)}
            if seeds:
                spread = noise[pool_of(cell)]
                cell_facts |= {"seed_sd": spread.sd, "seed_df": spread.df, "seeds": len(seeds)}
                cell_facts["by_seed"] = dict(zip(seeds, runs[cell], strict=True))
                cell_facts |= {"machine": machine_slack[cell]} if cell in machine_slack else {}
            yield Expected(**{"cell": cell, "value": value, **section_facts, **tolerances[cell.metric], **cell_facts})


def _tolerance(node: Node, *, trained: bool) -> dict[str, Any]:
    """Return a metric's tolerance; `machine` only where seeds were recorded, which nothing else is held against."""
    keys = ("numeric", "cap", *(("machine",) if trained else ()))
    numbers = {key: node.take(key, "a number >= 0") for key in keys}
    tolerance = {**numbers, "reason": node.take("reason", "a text")}
    gross, gross_reason = node.take("gross", "a number >= 0", None), node.take("gross_reason", "a text", None)
    node.end()
    if (gross is None) != (gross_reason is None):
        raise node.error("gross", f"expected it together with gross_reason, got {gross!r} and {gross_reason!r}")
    if gross is not None and gross <= tolerance["cap"]:
        raise node.error("gross", f"expected more than cap, {tolerance['cap']:g} points, got {gross:g}")
    return tolerance | {"gross": gross, "gross_reason": gross_reason}


def _cells(
    experiment: str, node: Node, runs: dict[CellId, tuple[float, ...]], sides: dict[CellId, str]
) -> Iterator[tuple[CellId, float | None]]:
    """Yield every cell's value; recorded cells' raw values go to `runs`, the side that a bound is of to `sides`."""
    for (dataset, setting, metric, method), column in node.leaves(3):
        cell = CellId(experiment, dataset, method, setting, metric)
        value = column.take(method, "a number >= 0, 'not transcribed' or a recorded table")
        if isinstance(value, dict) and value.keys() & {"lower", "upper"}:
            sides[cell], value = _bound(Node(f"{column.location}.{method}", value))
        elif isinstance(value, dict):
            record = Node(f"{column.location}.{method}", value)
            runs[cell] = tuple(record.take("values", "a list of numbers >= 0"))
            value = record.take("mean", "a number >= 0")
            record.end()
            if not runs[cell] or not math.isclose(value, fmean(runs[cell]), abs_tol=1e-6):
                raise record.error("mean", EDITED)
        if value != NOT_TRANSCRIBED and value > 100:
            raise column.error(method, f"expected per cent, 0 to 100, got {value!r}")
        yield cell, None if value == NOT_TRANSCRIBED else float(value)


def _machine_slack(
    experiment: str, node: Node, runs: dict[CellId, tuple[float, ...]]
) -> Iterator[tuple[CellId, float]]:
    """Yield cells with a `machine` of their own."""
    for (dataset, setting, metric, method), column in node.leaves(3):
        cell = CellId(experiment, dataset, method, setting, metric)
        points = column.take(method, "a number >= 0")
        if cell not in runs:
            raise column.error(method, f"expected a cell that was recorded, got {cell}")
        yield cell, points


def _bound(node: Node) -> tuple[str, float]:
    """Return `lower` or `upper`, and the value that the cell is bounded by."""
    bounds = {side: node.take(side, "a number >= 0", None) for side in ("lower", "upper")}
    node.end()
    (bound, *surplus) = [(side, value) for side, value in bounds.items() if value is not None]
    if surplus:
        raise node.error(
            "upper", f"expected one of lower and upper, got both: {bounds['lower']:g} and {bounds['upper']:g}"
        )
    return bound


def _noise(
    experiment: str, section: Node, runs: dict[CellId, tuple[float, ...]]
) -> tuple[tuple[int, ...], dict[CellId, Spread]]:
    """Return recorded seeds, and their noise per pool, checked against the raw values it comes from."""
    record = section.child("recorded")
    for key in ("command", "commit", "date", "machine"):
        record.take(key, "a text")
    record.take("reason", "a text", None)  # older recordings have none
    seeds = tuple(record.take("seeds", "a list of whole numbers >= 0"))
    record.end()
    stored_spreads = {}
    for (dataset, setting, metric, pool), column in section.child("spread").leaves(3):
        spread = column.child(pool)
        sd, df = spread.take("sd", "a number >= 0"), spread.take("df", "a number >= 0")
        spread.end()
        stored_spreads[CellId(experiment, dataset, pool, setting, metric)] = Spread(sd, df)
    pooled_spreads = pooled_sd(Measurement(cell, values) for cell, values in runs.items())
    are_seeds_valid = len(seeds) != 1 and len(set(seeds)) == len(seeds)  # noise is a difference of two
    if not are_seeds_valid or any(len(values) != max(len(seeds), 1) for values in runs.values()):
        raise section.error("recorded.seeds", EDITED)
    if stored_spreads.keys() != pooled_spreads.keys() or not all(
        stored_spreads[pool].close_to(pooled_spreads[pool]) for pool in stored_spreads
    ):
        raise section.error("spread", EDITED)
    return seeds, stored_spreads
