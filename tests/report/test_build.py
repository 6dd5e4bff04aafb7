"""A judgement becomes plain JSON with every field of the schema, and nothing that JSON cannot say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from suite.cells import CellId
from suite.core.files import plain
from suite.core.paths import DOCS
from suite.judge.verdict import CellVerdict, ClaimVerdict, Family, Judgement
from suite.report.build import RunFacts, build
from suite.report.variables import variables
from tests.support import report_circumstances, report_forms, report_sample

CELL = CellId("part_retrieval", "cub200", "dino", "encoded", "ap")
SCHEMA_PAGE = DOCS / "reference" / "report_schema.md"


def judgement(**changes: Any) -> Judgement:
    cell = CellVerdict(CELL, "Table 3", "deviates", "too far", measured=1.5, values=(1.5,), **changes)
    claim = ClaimVerdict("C01", "4.2", "a beats b", "a > b on x", True, None, "not run", "1 cell missing")
    family = Family(0.05, 1, (CELL,))
    return Judgement((cell,), (claim,), {"deviates": 1}, family, "deviates", "Deviates.", 1)


def built(judgement_of_run: Judgement) -> dict[str, Any]:
    facts = RunFacts(
        profile="mini",
        run="r",
        request={"seeds": (0, 1)},
        environment=report_circumstances.environment(),
        costs=[],
        figures=[],
        trainings=[],
        protocol={},
        notes=[],
        started="2025-01-01T00:00:00+00:00",
        finished="2025-01-01T00:01:00+00:00",
    )
    return build(judgement_of_run, facts)


def documented(section: str) -> set[str]:
    """Names in the first column of a section's table in docs/reference/report_schema.md."""
    text = SCHEMA_PAGE.read_text().split(section)[1].split("\n## ")[0]
    first_columns = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    return {name for column in first_columns for name in re.findall(r"`(\w+)`", column)}


def test_a_report_has_exactly_the_documented_fields() -> None:
    report = built(judgement())
    assert set(report) == documented("# report.json, schema 1") == set(report_sample.report())
    assert set(report["cells"][0]) == documented("## A cell") == set(report_sample.cells()[0])
    assert set(report["claims"][0]) == set(report_sample.claims()[0])


def test_candidates_have_exactly_the_documented_fields(tmp_path: Path) -> None:
    report = report_forms.several(tmp_path)
    assert set(report["newcomers"][0]) == documented("## A candidate")
    assert set(report["together"]) == documented("## Several candidates")


def test_a_cell_keeps_its_verdict_and_its_place() -> None:
    cell = built(judgement(expected=3.0, difference=-1.5, tolerance=0.05, warning=True))["cells"][0]
    assert cell == {
        "id": "part_retrieval/cub200/dino/encoded/ap",
        "table": "Table 3",
        "experiment": "part_retrieval",
        "dataset": "cub200",
        "method": "dino",
        "setting": "encoded",
        "metric": "ap",
        "unit": "percent",
        "measured": 1.5,
        "expected": 3.0,
        "difference": -1.5,
        "tolerance": 0.05,
        "verdict": "deviates",
        "reason": "too far",
        "warning": True,
        "values": [1.5],
        "seeds": [],
        "seeds_needed": None,
        "to_decide": None,
        "accepted": None,
        "uncertainty": None,
        "training": None,
        "environment": None,
    }


def test_nan_never_reaches_json() -> None:
    report = built(judgement(tolerance=float("nan"), expected=float("-inf")))
    json.dumps(report, allow_nan=False)
    assert report["cells"][0]["tolerance"] is None
    assert report["cells"][0]["expected"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (CELL, "part_retrieval/cub200/dino/encoded/ap"),
        (Path("a/b"), "a/b"),
        (
            Family(0.05, 2, (CELL,), by_chance=1),
            {
                "alpha": 0.05,
                "judged": 2,
                "rejected": [str(CELL)],
                "by_chance": 1,
                "deviating": 0,
                "chance_bound": 0,
            },
        ),
        ({3: (True, None, 1)}, {"3": [True, None, 1]}),
        ({"b", "a"}, ["a", "b"]),
    ],
)
def test_plain_reduces_to_json(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


def status(**changes: Any) -> dict[str, str]:
    arguments = {
        "profile": "mini",
        "environment": report_circumstances.environment(),
        "protocol": report_sample.protocol(),
        "request": {"seeds": [0]},
    }
    return {row["name"]: row["status"] for row in variables(**arguments | changes)}


def test_all_seven_variables_are_provided_when_everything_was_recorded() -> None:
    assert status() == dict.fromkeys(
        [
            "Pseudocode",
            "Open code",
            "Open data",
            "Dataset splits",
            "Hardware",
            "Software versions",
            "Experiment setup",
        ],
        "provided",
    )


@pytest.mark.parametrize(
    ("group", "facts", "name", "expected"),
    [
        ("code", {"commit": None, "reason": "not a git checkout"}, "Open code", "partial"),
        ("code", {"commit": "abc", "dirty": True}, "Open code", "partial"),
        ("cpu", {"reason": "not readable"}, "Hardware", "missing"),
        ("packages", {}, "Software versions", "missing"),
        ("lock", {"sha256": "ab", "differ": {"torch": "installed 1, locked 2"}}, "Software versions", "partial"),
        ("lock", {}, "Software versions", "partial"),
    ],
)
def test_a_variable_is_not_provided_without_its_evidence(
    group: str, facts: dict[str, Any], name: str, expected: str
) -> None:
    assert status(environment=report_circumstances.environment() | {group: facts})[name] == expected


def test_nothing_recorded_provides_nothing() -> None:
    assert set(status(environment={}, protocol={}, request={}).values()) == {"partial", "missing"}
    assert status(protocol={})["Open data"] == "missing"
    assert status(request={})["Experiment setup"] == "partial"
