"""Cost of a run, by experiment and by result, and how that compares with its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite.core.files import Json
from suite.core.text import duration, mebibytes, number
from suite.registry import title_of
from suite.report import summary


@dataclass(frozen=True)
class Cost:
    """Finished results together: how many, how many of them by an earlier attempt, their time, their highest peak."""

    title: str
    results: int
    reused_count: int
    time: str
    memory: str


@dataclass(frozen=True)
class PlanRow:
    """An experiment whose plan can be held against what it took: `18 of 20` results, both times, their ratio."""

    title: str
    compared: str
    planned: str
    measured: str
    ratio: str


@dataclass(frozen=True)
class ResultCost:
    """One finished result."""

    experiment: str
    dataset: str
    method: str
    time: str
    memory: str
    reused: str


@dataclass(frozen=True)
class GpuCost:
    """A finished result's use of a GPU."""

    experiment: str
    dataset: str
    method: str
    gpu: str
    allocated: str
    reserved: str
    energy: str
    power: str
    rate: str


@dataclass(frozen=True)
class Costs:
    """The section on cost.

    Attributes:
        plan: empty where there was none, or of nothing known.
        gpu: of the results that were measured on one.
        features: a sentence on views taken from the cache; empty where nothing of the kind is on record.
    """

    experiments: tuple[Cost, ...]
    total: Cost
    plan: tuple[PlanRow, ...]
    results: tuple[ResultCost, ...]
    gpu: tuple[GpuCost, ...]
    features: str


def costs(report: Json) -> Costs:
    """Return the cost of a run."""
    groups = [(title_of(name), group) for name, _, group in summary.by_experiment(report) if group]
    return Costs(
        experiments=tuple(_cost(title, group) for title, group in groups),
        total=_cost("all", report["costs"]),
        plan=tuple(_plan_row(row) for row in report.get("plan") or () if row["trials"]),
        results=tuple(map(_result, report["costs"])),
        gpu=tuple(_gpu(cost, cost["gpu"]) for cost in report["costs"] if cost.get("gpu")),
        features=_features(report["costs"]),
    )


def _cost(title: str, group: Sequence[Json]) -> Cost:
    peak = max((cost["peak_memory_mib"] for cost in group if cost["peak_memory_mib"] is not None), default=None)
    reused_count = sum(bool(cost["reused"]) for cost in group)
    return Cost(title, len(group), reused_count, duration(summary.seconds(group)), mebibytes(peak))


def _features(costs: Sequence[Json]) -> str:
    cached, computed = (sum(cost.get(name) or 0 for cost in costs) for name in ("views_cached", "views_computed"))
    if not cached + computed:
        return ""
    return (
        f"Of {cached + computed:,} views that are encoded once, the features of {cached:,} came from the cache, "
        f"and those of {computed:,} were computed."
    )


def _plan_row(row: Json) -> PlanRow:
    return PlanRow(
        title=title_of(row["experiment"]),
        compared=f"{row['trials']} of {row['trials'] + row['unknown']}",
        planned=duration(row["planned_s"]),
        measured=duration(row["measured_s"]),
        ratio=number(row["ratio"], 2),
    )


def _result(cost: Json) -> ResultCost:
    return ResultCost(
        experiment=title_of(cost["experiment"]),
        dataset=title_of(cost["dataset"]),
        method=title_of(cost["method"]),
        time=duration(cost["seconds"]),
        memory=mebibytes(cost["peak_memory_mib"]),
        reused="yes" if cost["reused"] else "no",
    )


def _gpu(cost: Json, gpu: Json) -> GpuCost:
    return GpuCost(
        experiment=title_of(cost["experiment"]),
        dataset=title_of(cost["dataset"]),
        method=title_of(cost["method"]),
        gpu=f"{gpu.get('model') or 'unknown GPU'}, driver {gpu.get('driver') or 'unknown'}",
        allocated=mebibytes(gpu.get("peak_allocated_mib")),
        reserved=mebibytes(gpu.get("peak_reserved_mib")),
        energy=_amount(gpu.get("energy_j"), 1e3, "kJ"),
        power=_amount(gpu.get("mean_power_w"), 1, "W"),
        rate=_amount(cost.get("images_per_second"), 1, "/s"),
    )


def _amount(value: float | None, unit: float, word: str) -> str:
    return "–" if value is None else f"{value / unit:,.1f} {word}"
