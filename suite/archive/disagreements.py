"""Disagreements of a report with its run folder: a generator of lines for each part of it.

Each takes `reported`, a report.json, and `current`, the same assembled anew from the run folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.results.digests import run_digest
from suite.run.attempts.history import ending
from suite.run.attempts.lines import FILE
from suite.run.shards import shard

Report = Mapping[str, Any]
COMPARED = ("measured", "values", "seeds", "expected", "tolerance", "verdict")
"""Fields of a cell that are held against the report; the sentences around them may be worded anew."""


def disagreements(stored_report: Report, new_report: Report) -> list[str]:
    """Return one line per result, cell, claim, environment, attempt or accepted value that is not as reported."""
    parts = (results, cells, claims, environments, attempts, second_gate)
    return [line for part in parts for line in part(stored_report, new_report)]


def results(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield results that are gone, are new, or are not what the report was made from."""
    stored_digests, new_digests = stored_report.get("results", {}), new_report["results"]
    for name in sorted(stored_digests | new_digests):
        place = f"cells/{name}.json"
        if name not in new_digests:
            yield f"{place}: the report was made from it, and it is missing or cannot be read"
        elif name not in stored_digests:
            yield f"{place}: the report knows no such result"
        elif stored_digests[name] != new_digests[name]:
            yield (
                f"{place}: altered: the report was made from {stored_digests[name][:12]}, "
                f"this is {new_digests[name][:12]}"
            )
    if stored_report.get("digest") not in {None, run_digest(stored_digests)}:
        yield "report.json: its digest is not that of the results it lists"


def cells(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield cells of only one of the two, and each field of a cell that is judged otherwise now."""
    stored_cells = {cell["id"]: cell for cell in stored_report["cells"]}
    new_cells = {cell["id"]: cell for cell in new_report["cells"]}
    for name in sorted(stored_cells.keys() ^ new_cells.keys()):
        yield f"{name}: {'not in the report' if name in new_cells else 'in the report, but no cell of the profile'}"
    for name in sorted(stored_cells.keys() & new_cells.keys()):
        for field in COMPARED:
            if stored_cells[name][field] != new_cells[name][field]:
                yield (
                    f"{name}: {field}: reported {stored_cells[name][field]!r}, judged again {new_cells[name][field]!r}"
                )


def claims(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield claims whose verdict is another now."""
    stored_verdicts, new_verdicts = (
        {claim["id"]: claim["verdict"] for claim in report["claims"]} for report in (stored_report, new_report)
    )
    for name in sorted(stored_verdicts | new_verdicts):
        if stored_verdicts.get(name) != new_verdicts.get(name):
            yield f"claim {name}: reported {stored_verdicts.get(name)!r}, judged again {new_verdicts.get(name)!r}"


def environments(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield one line for each environment of results that is not the report's, or is not reported as it is.

    A run that was asked to keep results of other environments may hold some, as long as its report says so.
    """
    for group in ("packages", "numerics"):
        stored_group, new_group = stored_report["environment"].get(group), new_report["environment"].get(group)
        if stored_group is not None and stored_group != new_group:
            yield f"report.json: environment: its {group} are not those that the run noted in environment.json"
    keeps_others = new_report["asked"].get("keep_other_environments", False)
    for entry in new_report["environments"]:
        if not entry["here"] and not keeps_others:
            yield (
                f"{_places(entry)}: made in another environment than the report's: {'; '.join(entry['differs'])}; "
                "measure again with make reproduce"
            )
    stored_digests, new_digests = (_by_result(report.get("environments")) for report in (stored_report, new_report))
    for name in sorted(stored_digests | new_digests) if stored_report.get("environments") is not None else ():
        if stored_digests.get(name) != new_digests.get(name):
            yield (
                f"cells/{name}.json: environment: reported {(stored_digests.get(name) or 'none')[:12]}, "
                f"the result's is {(new_digests.get(name) or 'none')[:12]}"
            )


def _by_result(entries: list[Report] | None) -> dict[str, str]:
    return {name: entry["digest"] for entry in entries or () for name in entry["results"]}


def _places(entry: Report) -> str:
    first_name, *further_names = entry["results"]
    return f"cells/{first_name}.json{f' and {len(further_names)} more' if further_names else ''}"


def attempts(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield one line for each attempt that is gone, is new, or reads otherwise than in the report.

    A report from before attempts were on record says nothing of them.
    """
    if "attempts" not in stored_report:
        return
    stored_attempts, new_attempts = (_by_name(report["attempts"]) for report in (stored_report, new_report))
    for name, entry in {**stored_attempts, **new_attempts}.items():
        place = f"{_file_of(entry)}: attempt {name} of {entry['started']}"
        if name not in new_attempts:
            yield f"{place}: the report lists it, and it is missing"
        elif name not in stored_attempts:
            yield f"{place}: begun since the report was made; run make report"
        elif stored_attempts[name] != new_attempts[name]:
            yield (
                f"{place}: reported {ending(stored_attempts[name])!r}, on record {ending(new_attempts[name])!r}, "
                "or altered otherwise"
            )


def _file_of(attempt: Report) -> str:
    """Return the path of the file that an attempt is noted in: the run's, or a shard's own."""
    if "shard" not in attempt:
        return FILE
    return (shard("shard", attempt["shard"]).folder(Path()) / FILE).as_posix()


def _by_name(attempts: Report | None) -> dict[str, Report]:
    return {} if attempts is None else {entry["attempt"]: entry for entry in attempts["entries"]}


def second_gate(stored_report: Report, new_report: Report) -> Iterator[str]:
    """Yield one line for the gate's verdict and for each cell whose answer is another now.

    A report from before the gate says nothing of it.
    """
    if "accepted" not in stored_report:
        return
    stored_verdict, new_verdict = (
        (report["accepted"] or {"verdict": "no accepted run"})["verdict"] for report in (stored_report, new_report)
    )
    if stored_verdict != new_verdict:
        yield f"accepted run of this device: reported {stored_verdict!r}, held again {new_verdict!r}"
    answers = {cell["id"]: cell.get("accepted") for cell in stored_report["cells"]}
    for cell in new_report["cells"] if stored_verdict == new_verdict else ():
        name, answer = cell["id"], cell["accepted"]
        if name in answers and answers[name] != answer:
            yield f"{name}: accepted: reported {_in_words(answers[name])}, held again {_in_words(answer)}"


def _in_words(answer: Report | None) -> str:
    return "nothing" if answer is None else f"{answer['verdict']!r}, {answer['value']}"
