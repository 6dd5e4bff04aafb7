"""junit.xml: a test per experiment, dataset and encoder, and one per claim, with the outcomes of the report.

It is written from the judged run, not by pytest: a single test knows the seed noise of its own cells only, and would
call inconclusive, or a deviation, what the run as a whole decides otherwise.

    passed    every cell of the test is reproduced, or deviates so little that the family does not confirm it
    failed    a cell of it fails the run
    skipped   something did not run, cannot be told, has no reference, or is a known deviation: never green
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from suite.core.files import Json
from suite.judge.entries import Outcome, cell_properties, claim_outcome
from suite.judge.no_worse import FAILS, OPEN, PASSES, allowance
from suite.judge.pairings import WORDS
from suite.judge.verdict import NOT_ASKED
from suite.report import candidates
from suite.run.processes import DIED

CRASH_PREFIXES = ("stopped by ", DIED)
"""Beginnings of the reason of a test that ended in an error of the code."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Json) -> str:
    """Render the whole file.

    Args:
        report: see `suite.report.build.build`.
    """
    suite = ET.Element("testsuite", name="reproduce", timestamp=report["started"])
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    total = 0.0
    headline = candidates.headline(report)
    if headline and headline.lines:
        properties = ET.SubElement(suite, "properties")
        for name, sentence in ((headline.name, headline.sentence), *headline.lines):
            ET.SubElement(properties, "property", name=_text(name), value=_text(sentence))
    shards = _shards(report)
    for page, name, seconds, cells, (outcome, reason) in (*_trials(report), *_bounds(report), *_claims(report)):
        attributes = {"classname": f"suite.experiments.test_{page}", "name": f"test_{page}[{name}]"}
        case = ET.SubElement(suite, "testcase", {**attributes, "time": f"{seconds:.3f}"})
        texts = [*([("shard", shards[name])] if name in shards else []), *cell_properties(cells)]
        if texts:
            properties = ET.SubElement(case, "properties")
            for key, text in texts:
                ET.SubElement(properties, "property", name=_text(key), value=_text(text))
        if outcome != "passed":
            ET.SubElement(case, outcome, message=_text(reason))
        total += seconds
        counts["tests"] += 1
        counts[{"failure": "failures", "error": "errors"}.get(outcome, "skipped")] += outcome != "passed"
    suite.attrib |= {key: str(number) for key, number in counts.items()} | {"time": f"{total:.3f}"}
    suites = ET.Element("testsuites", name=_text(f"{report['verdict']}: {report['sentence']}"))
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


@dataclass(frozen=True)
class Case:
    """A trial of which nothing is judged.

    Attributes:
        page: its experiment.
        name: `experiment/dataset/method`.
        seconds: that it took.
        reason: why it has no result; None where it has one.
    """

    page: str
    name: str
    seconds: float
    reason: str | None


def render_cases(title: str, start: str, cases: Sequence[Case]) -> str:
    """Render trials that were measured and not judged, as a shard's job shows them: those with a result have passed."""
    suite = ET.Element("testsuite", name=_text(title), timestamp=start)
    counts = {"tests": len(cases), "failures": 0, "errors": 0, "skipped": 0}
    for case in cases:
        attributes = {"classname": f"suite.experiments.test_{case.page}", "name": f"test_{case.page}[{case.name}]"}
        element = ET.SubElement(suite, "testcase", {**attributes, "time": f"{case.seconds:.3f}"})
        if case.reason is not None:
            outcome, reason = _not_run(case.reason)
            ET.SubElement(element, outcome, message=_text(reason))
            counts["errors" if outcome == "error" else "skipped"] += 1
    total = sum(case.seconds for case in cases)
    suite.attrib |= {key: str(number) for key, number in counts.items()} | {"time": f"{total:.3f}"}
    suites = ET.Element("testsuites", name=_text(title))
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def _shards(report: Json) -> dict[str, str]:
    """Map trial to the shards that were to measure it."""
    names: dict[str, list[str]] = {}
    for entry in (report.get("shards") or {"entries": []})["entries"]:
        for trial in entry["trials"]:
            names.setdefault(trial, []).append(entry["shard"])
    return {trial: ", ".join(shards) for trial, shards in names.items()}


def _trials(report: Json) -> Iterator[tuple[str, str, float, list[Json], Outcome]]:
    """List (page, name, seconds, cells, outcome) of everything that was asked for."""
    groups: dict[tuple[str, ...], list[Json]] = {}
    seconds: dict[tuple[str, ...], float] = {}
    for cost in report["costs"]:
        place: tuple[str, ...] = (cost["experiment"], cost["dataset"], cost["method"])
        groups[place], seconds[place] = [], cost["seconds"] or 0.0
    for cell in report["cells"]:
        if cell["reason"] != NOT_ASKED:
            groups.setdefault((cell["experiment"], cell["dataset"], cell["method"]), []).append(cell)
    for place, cells in groups.items():
        yield place[0], "/".join(place), seconds.get(place, 0.0), cells, _outcome(cells, report)
    for picture in report["pictures_missing"]:
        yield picture["trial"].partition("/")[0], picture["trial"], 0.0, [], _not_run(picture["reason"])


def _outcome(cells: Iterable[Json], report: Json) -> Outcome:
    """Return the worst that a cell of the test says."""
    failing_cells = set(report["failing"])
    failures = [f"{cell['id']}: {cell['reason']}" for cell in cells if cell["id"] in failing_cells]
    answers = ((cell, cell.get("accepted") or {}) for cell in cells)
    failures += [f"{cell['id']}: {answer['reason']}" for cell, answer in answers if answer.get("verdict") == "changed"]
    if failures:
        return "failure", "; ".join(failures)
    open_verdicts = () if report["allow_inconclusive"] else ("inconclusive",)
    for verdict in ("not run", *open_verdicts, "known deviation", "no reference"):
        verdict_cells = [cell for cell in cells if cell["verdict"] == verdict]
        if verdict_cells:
            first_cell = verdict_cells[0]
            if verdict == "not run":
                return _not_run(first_cell["reason"] or "no reason was given")
            return "skipped", f"{verdict}: {len(verdict_cells)} cells, {first_cell['id']} first: {first_cell['reason']}"
    return "passed", ""


def _not_run(reason: str) -> Outcome:
    return "error" if reason.startswith(CRASH_PREFIXES) else "skipped", reason


def _claims(report: Json) -> Iterator[tuple[str, str, float, list[Json], Outcome]]:
    for claim in report["claims"]:
        yield "claims", claim["id"], 0.0, [], claim_outcome(claim, gate=report["claims_gate"])


def _bounds(report: Json) -> Iterator[tuple[str, str, float, list[Json], Outcome]]:
    """List what the one-sided gate says: a test per candidate and column."""
    outcomes = {PASSES: "passed", FAILS: "failure", OPEN: "skipped"}
    for entry in report["newcomers"]:
        gate = entry.get("no_worse_than", {"columns": ()})
        for column in gate["columns"]:
            place = "/".join(column[word] for word in WORDS)
            interval = (
                "not compared on the same items"
                if column["low"] is None
                else f"{column['value']:+.2f} points, 95 % interval {column['low']:+.2f} to {column['high']:+.2f}"
            )
            reason = f"{column['verdict']}: {interval}; {allowance(gate['margin'])}"
            name = f"{entry['method']}/{gate['reference']}/{place}"
            yield "no_worse_than", name, 0.0, [], (outcomes[column["verdict"]], reason)


def _text(text: str) -> str:
    """Remove characters that XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
