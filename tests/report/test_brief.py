"""summary.md and badge.json: what a comment and a badge hold, whatever is in the run, and how long it may be."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from suite.judge.verdict import EXIT_CODES
from suite.report import badge, brief, terminal
from suite.report.view.page import page
from tests.support import report_sample


@pytest.fixture(scope="module")
def text(report: dict[str, Any]) -> str:
    return brief.render(report)


def test_it_says_verdict_counts_deviations_and_claims_in_about_thirty_lines(text: str) -> None:
    lines = text.splitlines()
    assert lines[0].startswith("### ❌ deviates: 1 of 245 judged cells deviates")
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")][:3] == [
        "experiment",
        "Image classification",
        "Object retrieval",
    ]
    assert (
        "Claims of the paper: 1 as in the paper, 2 differs from the paper, 2 not run. Noise alone could flip 1 of "
        "the 3 that were tested here: C22 (other images)."
    ) in lines
    assert len(lines) <= 45


def test_a_deviating_cell_leads_to_its_line_in_the_page(text: str) -> None:
    cell = "part_retrieval/cub200/dino/encoded/ap"
    [row] = [line for line in text.splitlines() if line.startswith(f"| [<code>{cell}</code>]")]
    words = [word.strip() for word in row.split("|")[1:-1]]
    assert words == [
        f"[<code>{cell}</code>](report.html#cell-{cell})",
        "❌ deviates",
        "39.63",
        "41.94",
        "−2.31",
        "0.05",
    ]


def test_the_whole_is_linked(text: str) -> None:
    assert re.findall(r"\]\((report\.\w+)\)", text) == ["report.html", "report.md", "report.json"]


def test_what_may_stand_in_a_run_stays_text(text: str) -> None:
    assert "<script" not in text
    assert "[link](" not in text


def test_many_cells_reasons_and_notes_are_counted(report: dict[str, Any]) -> None:
    place = ("part_retrieval", "cub200", "dino", "encoded")
    off = [report_sample.cell((*place, f"m{k}"), verdict="deviates", difference=1.0 + k) for k in range(12)]
    gone = [report_sample.cell((*place, f"g{k}"), reason=f"{k}: no such file") for k in range(8)]
    text = brief.render(report | {"cells": off + gone, "notes": [f"note {k}" for k in range(6)]})
    assert text.count("](report.html#cell-") == 5
    assert "- 7 more cells deviate or stay open" in text
    assert "- and 3 more reasons" in text
    assert "- note 2\n- and 4 more notes" in text, "one is on its attempts"
    assert "note 3" not in text


def test_a_text_of_any_length_fits_into_a_comment(report: dict[str, Any]) -> None:
    long_name = "x" * 20_000
    cells = [
        report_sample.cell(("part_retrieval", "cub200", f"{long_name}{k}", "encoded", "ap"), verdict="deviates")
        for k in range(5)
    ]
    text = brief.render(report | {"cells": cells, "sentence": "s" * 100_000})
    assert len(text.encode()) < 65_536
    assert text.endswith("…\n")


@pytest.mark.parametrize("verdict", EXIT_CODES)
def test_a_badge_is_green_for_what_is_reproduced_alone(verdict: str, report: dict[str, Any]) -> None:
    own = {"verdict": verdict, "exit_code": EXIT_CODES[verdict], "summary": {"reproduced": 3, "not run": 2}}
    fields = json.loads(badge.render(report | own))
    assert fields.keys() == {"schemaVersion", "label", "message", "color", "isError"}
    assert (fields["schemaVersion"], fields["label"]) == (1, "mini study")
    assert fields["message"] == f"{verdict}, 3 of 5 cells"
    assert (fields["color"] == "brightgreen") == (verdict == "reproduced")
    assert fields["isError"] == (fields["color"] == "red") == (EXIT_CODES[verdict] == 1)


def test_the_badge_of_the_paper_profile_names_the_paper(report: dict[str, Any]) -> None:
    assert json.loads(badge.render(report | {"profile": "paper"}))["label"] == "paper's numbers"


@pytest.mark.parametrize(
    ("code", "word", "colour", "icon"),
    [
        (0, "reproduced", "brightgreen", "✓"),
        (1, "reproduced, but a gate fails", "red", "✗"),
        (2, "reproduced, but a gate cannot be told", "yellow", "≈"),
    ],
)
def test_nothing_is_green_where_a_gate_beside_the_verdict_decides_the_exit_code(
    report: dict[str, Any], code: int, word: str, colour: str, icon: str
) -> None:
    """`accept` and `check --no-worse-than` have exit codes of their own, beside a verdict that stays its own."""
    report = report | {"verdict": "reproduced", "exit_code": code, "summary": {"reproduced": 3}}
    fields = json.loads(badge.render(report))
    assert (fields["message"], fields["color"], fields["isError"]) == (f"{word}, 3 of 3 cells", colour, code == 1)
    assert (page(report).head.verdict.word, page(report).head.verdict.icon) == (word, icon)
    assert f" {word}: " in brief.render(report).splitlines()[0]
    assert f"{word.upper()}: " in terminal.verdict_line(report)


def test_a_verdict_with_an_exit_code_of_its_own_keeps_its_word(report: dict[str, Any]) -> None:
    report = report | {"verdict": "inconclusive", "exit_code": 0, "summary": {"inconclusive": 3}}
    assert page(report).head.verdict.word == "inconclusive"
    report = report | {"verdict": "deviates", "exit_code": 1}
    assert page(report).head.verdict.word == "deviates"
