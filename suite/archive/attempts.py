"""Does a report still list the attempts that are on record?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from suite.run.attempts.history import ending
from suite.run.attempts.lines import FILE

Report = Mapping[str, Any]


def disagreements(reported: Report, found: Report) -> Iterator[str]:
    """One line for each attempt that is gone, is new, or reads otherwise than in the report.

    Args:
        reported: report.json; one from before attempts were on record says nothing of them.
        found: the same, assembled anew from the run folder.
    """
    if "attempts" not in reported:
        return
    before, now = (_by_name(report["attempts"]) for report in (reported, found))
    for name, entry in {**before, **now}.items():
        place = f"{FILE}: attempt {name} of {entry['started']}"
        if name not in now:
            yield f"{place}: the report lists it, and it is missing"
        elif name not in before:
            yield f"{place}: begun since the report was made; run make report"
        elif before[name] != now[name]:
            yield f"{place}: reported {ending(before[name])!r}, on record {ending(now[name])!r}, or altered otherwise"


def _by_name(attempts: Report | None) -> dict[str, Report]:
    return {} if attempts is None else {entry["attempt"]: entry for entry in attempts["entries"]}
