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


def deviation(asked: Mapping[str, Any]) -> str:
    """Word what a request leaves of the whole protocol."""
    return f"limit {asked['limit']}" if asked["limit"] is not None else f"variants {json.dumps(asked['variants'])}"


def table(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Write the cells whose values change, by name; empty where none does."""
    rows = []
    for cell in dict.fromkeys((*old, *new)):
        before, after = (fmean(side[cell]["values"]) if cell in side else None for side in (old, new))
        if cell not in old or cell not in new or old[cell] != new[cell]:
            change = None if before is None or after is None else after - before
            rows.append([cell, before, after, change])
    return tabulate(rows, ("cell", "accepted", "this run", "change"), floatfmt=".3f") if rows else ""
