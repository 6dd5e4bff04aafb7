"""Does a report still say in which environments its results were made?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Report = Mapping[str, Any]


def disagreements(reported: Report, found: Report) -> Iterator[str]:
    """One line for each environment of results that is not the report's, or is not reported as it is.

    A run that was asked to keep results of other environments may hold some, as long as its report says so.

    Args:
        reported: report.json.
        found: the same, assembled anew from the run folder.
    """
    for group in ("packages", "numerics"):
        said, noted = reported["environment"].get(group), found["environment"].get(group)
        if said is not None and said != noted:
            yield f"report.json: environment: its {group} are not those that the run noted in environment.json"
    kept = found["asked"].get("keep_other_environments", False)
    for entry in found["environments"]:
        if not entry["here"] and not kept:
            yield (
                f"{_places(entry)}: made in another environment than the report's: {'; '.join(entry['differs'])}; "
                "measure again with make reproduce"
            )
    before, now = (_by_result(report.get("environments")) for report in (reported, found))
    for name in sorted(before | now) if reported.get("environments") is not None else ():
        if before.get(name) != now.get(name):
            yield (
                f"cells/{name}.json: environment: reported {(before.get(name) or 'none')[:12]}, "
                f"the result's is {(now.get(name) or 'none')[:12]}"
            )


def _by_result(entries: list[Report] | None) -> dict[str, str]:
    return {name: entry["digest"] for entry in entries or () for name in entry["results"]}


def _places(entry: Report) -> str:
    first, *others = entry["results"]
    return f"cells/{first}.json{f' and {len(others)} more' if others else ''}"
