"""Choice of what fits into a number of hours, and the commands that run exactly that."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from suite.plan.forecast import Entry, Forecast
from suite.results.store import Key
from suite.run.request import Request


@dataclass(frozen=True)
class Choice:
    """Trials run within a budget.

    Attributes:
        chosen: trials, those that are measured already included: they cost nothing.
        left_out: trials that do not fit, or whose duration is unknown.
        seconds: on this device, with all processes.
    """

    chosen: list[Key]
    left_out: list[Key]
    seconds: float


def choose(forecast: Forecast, budget_s: float) -> Choice:
    """Choose whole trials, the cheapest information first.

    A column is an experiment on a dataset (for segmentation: all sets of the same images) with every encoder asked
    for, since a number says little without those of the other encoders beside it. Columns are taken in the order of
    seconds per cell; of the first that does not fit, encoders in the order of the request; then whatever still fits.
    """
    columns: dict[tuple[tuple[str, str], ...], list[Entry]] = {}
    for entry in forecast.entries:
        columns.setdefault(tuple((key.experiment, key.dataset) for key in entry.job.keys), []).append(entry)
    chosen_entries: list[Entry] = []
    left_out = list(forecast.unplanned)
    for column in sorted(columns.values(), key=lambda entries: _per_cell(forecast.request, entries)):
        for entry in column:
            if entry.seconds is not None and forecast.until_done([*chosen_entries, entry]) <= budget_s:
                chosen_entries.append(entry)
            else:
                left_out.extend(entry.job.keys)
    keys = [key for entry in chosen_entries for key in entry.job.keys]
    return Choice([*forecast.measured, *keys], left_out, forecast.until_done(chosen_entries))


def commands(request: Request, chosen: Iterable[Key]) -> list[str]:
    """Find as few command lines as possible that together run these trials and no others."""
    keys = set(chosen)
    products: list[Request] = []
    columns: dict[tuple[str, str], list[str]] = {}
    for experiment, dataset, spec in request.tasks():
        if request.key(experiment, dataset, spec) in keys:
            columns.setdefault((experiment.name, dataset), []).append(spec)
    for (name, dataset), specs in columns.items():
        part = replace(request, experiments=(name,), datasets=(dataset,), encoders=tuple(specs))
        products.append(part)
    while _merge(products, request):
        pass
    return [shlex.join(["python", "-m", "suite", "reproduce", *product.arguments()]) for product in products]


def _merge(products: list[Request], request: Request) -> bool:
    """Unite two products of experiments, datasets and encoders that together ask for nothing else; False if none do."""
    for first, second in combinations(products, 2):
        united = replace(
            request,
            experiments=_united(request.experiments, first.experiments, second.experiments),
            datasets=_united(request.datasets, first.datasets, second.datasets),
            encoders=_united(request.encoders, first.encoders, second.encoders),
        )
        if _keys(united) == _keys(first) | _keys(second):
            products[products.index(first)] = united
            products.remove(second)
            return True
    return False


def _keys(request: Request) -> set[Key]:
    return {request.key(*task) for task in request.tasks()}


def _united(order: Sequence[str], *parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in order if any(name in part for part in parts))


def _per_cell(request: Request, column: Sequence[Entry]) -> tuple[float, int]:
    """Rank by known seconds for a cell, unknown ones last; a column of pictures counts as one cell."""
    keys = [key for entry in column for key in entry.job.keys]
    experiments = request.profile.experiments
    cells = sum(len(list(experiments[key.experiment].cells(key.dataset, key.method))) for key in keys)
    durations = [entry.seconds for entry in column if entry.seconds is not None]
    return (sum(durations) / max(1, cells), 0) if len(durations) == len(column) else (float("inf"), 1)
