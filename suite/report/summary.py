"""Counts and groupings of a report that several outputs show; nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.core.files import Json
from suite.report.labels import tally, verdicts_of

MINI_NOTICE = (
    "This is the embedded mini study: synthetic images and small encoders. "
    "It demonstrates and checks the machinery; it does not replicate the paper."
)


def notice(report: Json) -> str | None:
    """State what a profile's numbers are worth, before any of them."""
    return report["protocol"].get("notice") or (MINI_NOTICE if report["profile"] == "mini" else None)


def by_experiment(report: Json) -> Iterator[tuple[str, dict[str, int], list[Json]]]:
    """Group (experiment, cells per verdict, costs), in the order of the cells, then what only has costs."""
    names = dict.fromkeys(item["experiment"] for item in [*report["cells"], *report["costs"]])
    verdicts = verdicts_of(report["cells"])
    for name in names:
        cells = [cell for cell in report["cells"] if cell["experiment"] == name]
        yield name, tally(cells, verdicts), [cost for cost in report["costs"] if cost["experiment"] == name]


def seconds(costs: Sequence[Json]) -> float | None:
    """Sum what is known; None where nothing is."""
    durations = [cost["seconds"] for cost in costs if cost["seconds"] is not None]
    return sum(durations) if durations else None


def attempts_line(report: Json) -> str | None:
    """Tell what a reader should know of earlier attempts; None where there is nothing to know."""
    attempts = report.get("attempts") or {"sentence": None, "unreadable": 0}
    unreadable_count = attempts["unreadable"]
    warning = (
        f"{unreadable_count} line{'s' if unreadable_count > 1 else ''} of attempts.jsonl cannot be read: cut by a "
        "crash, or altered."
        if unreadable_count
        else None
    )
    return " ".join(filter(None, (attempts["sentence"], warning))) or None
