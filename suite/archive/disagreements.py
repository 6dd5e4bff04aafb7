"""Disagreements of a report with its run folder: a generator of lines for each part of it.

Each takes `reported`, a report.json, and `current`, the same assembled anew from the run folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from suite.results.digests import run_digest
from suite.run.attempts.history import ending
from suite.run.attempts.lines import FILE

Report = Mapping[str, Any]
COMPARED = ("measured", "values", "seeds", "expected", "tolerance", "verdict")
"""Fields of a cell that are held against the report; the sentences around them may be worded anew."""


def disagreements(reported: Report, current: Report) -> list[str]:
    """Return one line per result, cell, claim, environment, attempt or accepted value that is not as reported."""
    parts = (results, cells, claims, environments, attempts, accepted)
    return [line for part in parts for line in part(reported, current)]


def results(reported: Report, current: Report) -> Iterator[str]:
    """Yield results that are gone, are new, or are not what the report was made from."""
    before, now = reported.get("results", {}), current["results"]
    for name in sorted(before | now):
        place = f"cells/{name}.json"
        if name not in now:
            yield f"{place}: the report was made from it, and it is missing or cannot be read"
        elif name not in before:
            yield f"{place}: the report knows no such result"
        elif before[name] != now[name]:
            yield f"{place}: altered: the report was made from {before[name][:12]}, this is {now[name][:12]}"
    if reported.get("digest") not in {None, run_digest(before)}:
        yield "report.json: its digest is not that of the results it lists"


def cells(reported: Report, current: Report) -> Iterator[str]:
    """Yield cells of only one of the two, and each field of a cell that is judged otherwise now."""
    before = {cell["id"]: cell for cell in reported["cells"]}
    now = {cell["id"]: cell for cell in current["cells"]}
    for name in sorted(before.keys() ^ now.keys()):
        yield f"{name}: {'not in the report' if name in now else 'in the report, but no cell of the profile'}"
    for name in sorted(before.keys() & now.keys()):
        for field in COMPARED:
            if before[name][field] != now[name][field]:
                yield f"{name}: {field}: reported {before[name][field]!r}, judged again {now[name][field]!r}"


def claims(reported: Report, current: Report) -> Iterator[str]:
    """Yield claims whose verdict is another now."""
    before, now = ({claim["id"]: claim["verdict"] for claim in report["claims"]} for report in (reported, current))
    for name in sorted(before | now):
        if before.get(name) != now.get(name):
            yield f"claim {name}: reported {before.get(name)!r}, judged again {now.get(name)!r}"


def environments(reported: Report, current: Report) -> Iterator[str]:
    """Yield one line for each environment of results that is not the report's, or is not reported as it is.

    A run that was asked to keep results of other environments may hold some, as long as its report says so.
    """
    for group in ("packages", "numerics"):
        stated, noted = reported["environment"].get(group), current["environment"].get(group)
        if stated is not None and stated != noted:
            yield f"report.json: environment: its {group} are not those that the run noted in environment.json"
    kept = current["asked"].get("keep_other_environments", False)
    for entry in current["environments"]:
        if not entry["here"] and not kept:
            yield (
                f"{_places(entry)}: made in another environment than the report's: {'; '.join(entry['differs'])}; "
                "measure again with make reproduce"
            )
    before, now = (_by_result(report.get("environments")) for report in (reported, current))
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


def attempts(reported: Report, current: Report) -> Iterator[str]:
    """Yield one line for each attempt that is gone, is new, or reads otherwise than in the report.

    A report from before attempts were on record says nothing of them.
    """
    if "attempts" not in reported:
        return
    before, now = (_by_name(report["attempts"]) for report in (reported, current))
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


def accepted(reported: Report, current: Report) -> Iterator[str]:
    """Yield one line for the gate's verdict and for each cell whose answer is another now.

    A report from before the gate says nothing of it.
    """
    if "accepted" not in reported:
        return
    before, now = ((report["accepted"] or {"verdict": "no accepted run"})["verdict"] for report in (reported, current))
    if before != now:
        yield f"accepted run of this device: reported {before!r}, held again {now!r}"
    answers = {cell["id"]: cell.get("accepted") for cell in reported["cells"]}
    for cell in current["cells"] if before == now else ():
        name, answer = cell["id"], cell["accepted"]
        if name in answers and answers[name] != answer:
            yield f"{name}: accepted: reported {_in_words(answers[name])}, held again {_in_words(answer)}"


def _in_words(held: Report | None) -> str:
    return "nothing" if held is None else f"{held['verdict']!r}, {held['value']}"
