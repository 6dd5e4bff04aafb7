"""The one-sided gate of `check`: in the report of a run, its exit code, and wrong requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cli.main import main
from suite.core.files import write_json
from suite.report.collect import assemble
from tests.support.candidate_run import MINE, PLACES, store_result


@pytest.mark.parametrize(("value", "verdict", "code"), [(85.0, "no worse", 0), (10.0, "worse", 1)])
def test_the_gate_is_in_the_report_and_decides_its_exit_code(run: Path, value: float, verdict: str, code: int) -> None:
    for place in PLACES:
        store_result(run, place, MINE, value)
    free_code = assemble(run)["exit_code"]
    write_json(run / "bound.json", {"reference": "dino", "margin": 0.5})
    report = assemble(run)
    [entry] = report["newcomers"]
    assert entry["no_worse_than"]["verdict"] == verdict
    assert report["exit_code"] == (1 if code else free_code)
    assert entry["no_worse_than"]["sentence"] in report["sentence"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "1"], "error: --by 1: expected --no-worse-than METHOD beside it"),
        (["--by", "x"], "error: --by 'x': expected points of per cent from 0 to 100, e.g. 0.5"),
        (
            ["--encoder", "mae", "--no-worse-than", "dino"],
            "error: --no-worse-than dino: expected one that is measured beside it (mae): add it with BESIDE=dino",
        ),
    ],
)
def test_a_gate_that_cannot_be_is_one_line(options: list[str], message: str, tmp_path: Path, capsys) -> None:
    assert main(["check", "mine:build", *options, "--runtime", "venv", "--run", str(tmp_path / "run")]) == 3
    assert capsys.readouterr().err.strip() == message
