"""Contents that files of frozen values share: from which commit, of which request, and what would change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from tabulate import tabulate

from suite.results.records import Result


def commit_of(results: Sequence[Result]) -> str:
    """Return the commit of the code that made the results, not of the checkout that accepts them."""
    states = [result.facts.get("code_state") or {} for result in results]
    commits = sorted(
        {f"{s.get('commit') or 'unknown'}{' with local changes' if s.get('dirty') else ''}" for s in states}
    )
    return ", ".join(commits)


def deviation(request: Mapping[str, Any]) -> str:
    """Word what a request leaves of the whole protocol."""
    return (
        f"limit {request['limit']}" if request["limit"] is not None else f"variants {json.dumps(request['variants'])}"
    )


def table(old_cells: Mapping[str, Any], new_cells: Mapping[str, Any]) -> str:
    """Write the cells whose values change, by name; empty where none does."""
    rows = []
    for cell in dict.fromkeys((*old_cells, *new_cells)):
        old_mean, new_mean = (fmean(side[cell]["values"]) if cell in side else None for side in (old_cells, new_cells))
        if cell not in old_cells or cell not in new_cells or old_cells[cell] != new_cells[cell]:
            change = None if old_mean is None or new_mean is None else new_mean - old_mean
            rows.append([cell, old_mean, new_mean, change])
    return tabulate(rows, ("cell", "accepted", "this run", "change"), floatfmt=".3f") if rows else ""
