"""Comparing two runs: what changed is said, what did not is not."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from suite.errors import RequestError
from suite.report.compare import compare, compare_runs, exit_code
from suite.report.files import write

CELL = "part_retrieval/cub200/mae/encoded/ap"
Report = dict[str, Any]


@pytest.fixture
def b(report: Report) -> Report:
    return deepcopy(report)


def cell(report: Report, name: str = CELL) -> dict[str, Any]:
    [entry] = [cell for cell in report["cells"] if cell["id"] == name]
    return entry


def test_identical_runs_say_so_in_one_line(report: Report, b: Report) -> None:
    b |= {"run": "other", "started": "x", "finished": "y", "asked": b["asked"] | {"run": "runs/other"}}
    b["costs"][0]["seconds"] += 10
    assert compare(report, b) == (
        "Identical: 335 measured values, all verdicts, claims, environment and protocol. "
        "Cost: 1 min 25 s -> 1 min 35 s."
    )
    assert exit_code(report, b) == 0


def test_a_changed_value_is_shown_with_its_size(report: Report, b: Report) -> None:
    new_cell = cell(b)
    new_cell |= {"measured": 10.5, "values": [10.5], "verdict": "deviates"}
    earlier = deepcopy(report)
    cell(earlier)["measured"] = 10.0
    text = compare(earlier, b)
    [line] = [line for line in text.splitlines() if CELL in line]
    assert line.split() == [CELL, "10.0000", "10.5000", "+0.5000", "reproduced", "->", "deviates"]
    assert "1 of 335 values moved, by 0.5000 points at most" in text
    assert exit_code(earlier, b) == 1


def test_one_seed_alone_is_a_difference(report: Report, b: Report) -> None:
    cell(b)["values"][0] += 1e-9
    assert CELL in compare(report, b)
    assert exit_code(report, b) == 1


def drop(report: Report) -> None:
    report["cells"] = [cell for cell in report["cells"] if cell["id"] != CELL]


def lose(report: Report) -> None:
    cell(report).update(measured=None, values=[], verdict="not run")


def flip(report: Report) -> None:
    report["claims"][0]["holds_here"] = False


def upgrade(report: Report) -> None:
    report["environment"]["packages"]["torch"] = "2.15.0"


def lengthen(report: Report) -> None:
    report["protocol"]["experiments"]["part_classification"]["epochs"]["value"] = 90


def ask_less(report: Report) -> None:
    report["asked"]["cells"] = ["a/b/c/d/e"]


def judge_again(report: Report) -> None:
    cell(report)["verdict"] = "no reference"


@pytest.mark.parametrize(
    ("change", "message", "code"),
    [
        (drop, f"  only in A: {CELL}", 1),
        (lose, "reproduced -> not run", 1),
        (flip, "Claims\n  C01: holds -> fails: C01: one kind of encoder beats another", 0),
        (upgrade, "Environment\n  packages.torch: 2.14.1 -> 2.15.0", 0),
        (lengthen, "Protocol\n  experiments.part_classification.epochs: 40  (ours) -> 90  (ours)", 0),
        (ask_less, "Asked for\n  cells: absent -> 1", 0),
        (judge_again, "Every value is the same.", 0),
    ],
)
def test_each_kind_of_change(
    change: Callable[[Report], None], message: str, code: int, report: Report, b: Report
) -> None:
    change(b)
    assert message in compare(report, b)
    assert exit_code(report, b) == code


def test_a_new_cell_appears(report: Report, b: Report) -> None:
    drop(b)
    assert f"  only in B: {CELL}" in compare(b, report)


def test_run_folders_are_read(report: Report, tmp_path: Path) -> None:
    for name in ("x", "y"):
        write(tmp_path / name, report | {"cells": report["cells"][:1]})
    text, code = compare_runs(tmp_path / "x", tmp_path / "y" / "report.json")
    assert text.startswith("Identical: ")
    assert code == 0


def test_two_runs_without_a_value_are_not_called_identical(report: Report, b: Report) -> None:
    for run in (report, b):
        run["cells"] = [entry | {"measured": None, "values": []} for entry in run["cells"]]
    assert compare(report, b).startswith(
        "Nothing was measured in either; identical: all verdicts, claims, environment and protocol. "
    )
    assert exit_code(report, b) == 2
    b["environment"] = b["environment"] | {"machine": "another"}
    assert "\nNothing was measured in either.\n" in compare(report, b)
    drop(b)
    assert exit_code(report, b) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            "{path.parent}: expected the folder of a finished run, with report.json, got one without; make one with "
            "make reproduce",
        ),
        ("{", "{path}: expected a report as JSON, got none: {detail}; run that report again"),
        ('{"schema": 7}', "{path}: expected a report of schema 1, got schema 7; run that report again"),
        ("[]", "{path}: expected a table, got []; run that report again"),
        ('{"schema": 1}', "{path}: verdict: missing: expected a text; run that report again"),
    ],
)
def test_a_folder_without_a_report_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    detail = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    with pytest.raises(RequestError) as caught:
        compare_runs(tmp_path, tmp_path)
    assert str(caught.value) == message.format(path=path, detail=detail)
