"""What a made-up run was judged to be: exit code, words, and the outcomes of junit.xml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from suite.cli.main import main

DEIT = "image_classification/imagenet1k/deit/linear/top1"


def judge_run(run: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["report", str(run), *options])
    report = json.loads((run / "report.json").read_text())
    assert report["exit_code"] == code
    return code, report


def outcomes(run: Path) -> dict[str, tuple[str, str]]:
    """Test -> (outcome, message) of junit.xml, claims left out."""
    cases = ET.parse(run / "junit.xml").getroot().iter("testcase")
    outcomes_by_test = {}
    for case in cases:
        elements = [child for child in case if child.tag != "properties"]
        outcome = (elements[0].tag, elements[0].get("message") or "") if elements else ("passed", "")
        outcomes_by_test[str(case.get("name"))] = outcome
    return {name: outcome for name, outcome in outcomes_by_test.items() if not name.startswith("test_claims")}


def words(report: dict[str, Any]) -> tuple[Any, ...]:
    return report["verdict"], report["sentence"]
