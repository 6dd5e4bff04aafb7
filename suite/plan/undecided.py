"""Cells of a plan that cannot be told: how many seeds would decide them, and what those cost.

Of a run that was judged, from the noise it saw. Of one that has still to be made: trained probes with references of
unknown seed noise, of which a single seed can tell little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from suite.cells import CellId
from suite.judge.deciding import AT_LEAST, Deciding, seeds_from
from suite.plan.forecast import forecast
from suite.reference.expected import Expected
from suite.registry import title_of
from suite.run.request import Request


def unmeasured(request: Request, measured: Iterable[CellId], expected: Mapping[CellId, Expected]) -> list[Deciding]:
    """List cells asked for with a single seed bound to leave them open, unless it agrees to the printed digit.

    Args:
        request: what is asked for.
        measured: cells that need no such guess, since they were judged.
        expected: its references.
    """
    if len(request.seeds) >= AT_LEAST:
        return []
    judged_cells, groups = set(measured), dict[tuple[str, str], list[CellId]]()
    for cell in request.cells():
        reference = expected.get(cell)
        is_settled = (
            reference is None or reference.value is None or reference.deterministic or reference.spread is not None
        )
        if cell not in judged_cells and not is_settled:
            groups.setdefault((cell.experiment, cell.dataset), []).append(cell)
    seeds = tuple(seeds_from(request.seeds, AT_LEAST))
    return [
        Deciding(experiment, dataset, tuple(dict.fromkeys(c.method for c in cells)), len(cells), 0, False, seeds, None)
        for (experiment, dataset), cells in groups.items()
    ]


def with_rates(
    request: Request, groups: Sequence[Deciding], seconds_of: Callable[[Request], float | None] | None = None
) -> list[Deciding]:
    """Replace durations by the plan's own where all rates are known.

    Args:
        request: what is asked for.
        groups: of its cells.
        seconds_of: a request's duration; default: by a forecast, with remembered rates.
    """
    seconds_of = seconds_of or _planned
    timed_groups = []
    for group in groups:
        narrow = replace(
            request,
            experiments=(group.experiment,),
            datasets=(group.dataset,),
            encoders=tuple(spec for spec in request.encoders if request.names[spec] in group.methods),
            seeds=group.seeds,
        )
        timed_groups.append(group.lasting(seconds_of(narrow)) if group.seeds else group)
    return timed_groups


def _planned(request: Request) -> float | None:
    """Return seconds of a request on this device; None where some of it is unknown, or it is done."""
    plan = forecast(request, digests=False)
    return plan.until_done(plan.entries) if plan.entries and not plan.unknown else None


def render_undecided(groups: Sequence[Deciding]) -> str:
    """Render for the terminal; empty where nothing is open."""
    if not groups:
        return ""
    lines = [f"  {title_of(g.experiment)} on {title_of(g.dataset)}, {g.cells} cells: {g.sentence}" for g in groups]
    return "\n".join(["Cells that cannot be told, and the seeds that would decide them:", *lines])
