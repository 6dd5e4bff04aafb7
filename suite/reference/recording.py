"""Recorder of the mini profile's references: our own runs over several seeds, raw values kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from suite.cells import CellId, Measurement
from suite.core.files import write_atomically
from suite.errors import ExpectedError
from suite.reference.slack import Slack, slack_of
from suite.results.noise import pooled_sd

T = TypeVar("T")

MIN_SEEDS = 5
CAP = 3.0
"""Widest half-interval of a probe, in points; set before recording, below what broken weights cost."""
SEGMENTATION_CAP = 8.0
"""Cap of segmentation, set before recording in the proportion of the paper's caps: 0.8 mIoU to 0.3 top-1."""
_SEGMENTATION_METRICS = ("miou", "macc", "aacc")
_TITLE = "# Recorded by `make record`, never edited by hand: loading checks it against the raw values.\n"


@dataclass(frozen=True)
class Recording:
    """Origin of a reference, so that it can be made again."""

    command: str
    commit: str
    date: str
    machine: str
    reason: str


def write_mini(
    path: Path,
    measurements: Sequence[Measurement],
    *,
    recording: Recording,
    slack: Slack,
    test_items: int | None = None,
) -> None:
    """Record the cells of one experiment as its reference, `expected/mini/<experiment>.toml`.

    Args:
        path: the file, replaced whole or not at all.
        measurements: cells of one experiment; a probe's cells have the same seeds, five or more.
        recording: kept in the file.
        slack: see `suite.reference.slack`; looked up for what was trained.
        test_items: size of the smallest test set behind a probe's accuracy. One item is the finest step by
            which such a cell moves, hence the floor of its tolerance where all seeds agree.

    Raises:
        ExpectedError: no cells, cells of several experiments, too few seeds, seeds that differ, or a trained metric
            without measured slack.
        StorageError: the file cannot be written.
    """
    experiment = _common_value(path, "experiment", (m.id.experiment for m in measurements))
    seeds = _common_value(path, "list of seeds", (m.seeds for m in measurements))
    _check_runs(path, seeds, measurements)
    sections: dict[str, dict[str, Any]] = {
        experiment: {
            "source": f"our own runs: {recording.command}, commit {recording.commit}, {recording.date}",
            "unit": "percent",
            "rounding": 0.0,
            "deterministic": not seeds,
        },
        f"{experiment}.recorded": {**asdict(recording), "seeds": list(seeds)},
    }
    for metric in sorted({m.id.metric for m in measurements}):
        machine = {"machine": slack_of(slack, experiment, metric)} if seeds else {}
        sections[f"{experiment}.tolerance.{metric}"] = machine | tolerance(bool(seeds), test_items, cap_of(metric))
    rounded_measurements = [replace(m, values=tuple(round(value, 6) for value in m.values)) for m in measurements]
    for m in rounded_measurements if seeds else ():
        if m.id in slack:
            sections.setdefault(_column("machine", m.id), {})[m.id.method] = slack[m.id]
    for pool, spread in pooled_sd(rounded_measurements).items():
        sections.setdefault(_column("spread", pool), {})[pool.method] = asdict(spread)
    for m in rounded_measurements:
        cell = {"mean": round(fmean(m.values), 6), "values": list(m.values)}
        sections.setdefault(_column("cells", m.id), {})[m.id.method] = cell
    write_atomically(path, (_TITLE + "".join(map(toml_section, sections, sections.values()))).encode())


def _common_value(path: Path, noun: str, values: Iterable[T]) -> T:
    """Return the one value that all cells share."""
    distinct_values = sorted(set(values))  # type: ignore[type-var]
    if len(distinct_values) != 1:
        raise ExpectedError(f"{path}: expected cells of one {noun}, got {distinct_values}")
    return distinct_values[0]


def _check_runs(path: Path, seeds: tuple[int, ...], measurements: Sequence[Measurement]) -> None:
    if seeds and len(set(seeds)) < MIN_SEEDS:
        raise ExpectedError(f"{path}: expected at least {MIN_SEEDS} different seeds, got {list(seeds)}")
    runs = max(len(seeds), 1)
    for m in measurements:
        if len(m.values) != runs:
            raise ExpectedError(f"{path}: {m.id}: expected one value a run, {runs} in all, got {len(m.values)}")


def cap_of(metric: str) -> float:
    """Return the widest half-interval of a recorded probe's metric, in points."""
    return SEGMENTATION_CAP if metric in _SEGMENTATION_METRICS else CAP


def tolerance(trained: bool, test_items: int | None, cap: float) -> dict[str, Any]:
    """Return a recorded cell's tolerance: see `write_mini` and `CAP`."""
    if not trained:
        reason = "nothing is trained: 0.05 for JPEG decoder and fp32 summation order"
        return {"numeric": 0.05, "cap": 0.3, "reason": reason}
    reason = "one test item may flip with the CPU; wrong weights or labels cost more than the cap"
    return {"numeric": round(100 / test_items, 6) if test_items else 0.05, "cap": cap, "reason": reason}


def _column(kind: str, cell: CellId) -> str:
    return f"{cell.experiment}.{kind}.{cell.dataset}.{cell.setting}.{cell.metric}"


def toml_section(name: str, values: dict[str, Any]) -> str:
    """Write a table of a TOML file."""
    return f"\n[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    """Write a value in TOML, which writes all but tables as JSON does."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
