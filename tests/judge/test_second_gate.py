"""The second gate: a change that the paper's tolerance hides is seen against our own accepted run, and only there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from suite.cells import Measurement
from suite.cli.main import main
from suite.core.files import write_json
from suite.experiments.judge import Trial
from suite.judge.gate import compare
from suite.report import html, markdown, terminal
from suite.report.collect import assemble, report
from suite.results.noise import Spread
from suite.results.store import Store
from suite.run.request import make_request
from tests.support.accepted_run import A100, CELL, COMMIT, H100, write_run

# one cell, by hand


def measurement(*values: float, seeds: tuple[int, ...] = ()) -> Measurement:
    return Measurement(CELL, values, seeds)


@pytest.mark.parametrize(
    ("current", "reference", "verdict", "difference", "tolerance"),
    [
        (measurement(48.97), measurement(48.93), "unchanged", 0.04, 0.05),
        (measurement(48.98), measurement(48.93), "unchanged", 0.05, 0.05),
        (measurement(48.99), measurement(48.93), "changed", 0.06, 0.05),
        (measurement(49.13), measurement(48.93), "changed", 0.2, 0.05),
        (measurement(77.1, seeds=(0,)), measurement(77.3, seeds=(0,)), "changed", -0.2, 0.05),
        # the same seed, although the means of both seeds are all but equal
        (measurement(77.0, 77.61, seeds=(0, 1)), measurement(77.2, 77.4, seeds=(0, 1)), "changed", 0.21, 0.05),
        (measurement(77.4, 77.2, seeds=(1, 0)), measurement(77.2, 77.4, seeds=(0, 1)), "unchanged", 0.0, 0.05),
        # only seed 1 is in both
        (measurement(77.4, 99.0, seeds=(1, 9)), measurement(77.2, 77.4, seeds=(0, 1)), "unchanged", 0.0, 0.05),
        # other seeds, sd 0.1 with 4 degrees of freedom: 0.05 + 2.776445 * 0.1 * sqrt(2) = 0.442649
        (measurement(77.74, seeds=(5,)), measurement(77.3, seeds=(0,)), "unchanged", 0.44, 0.442649),
        (measurement(77.75, seeds=(5,)), measurement(77.3, seeds=(0,)), "changed", 0.45, 0.442649),
        # three of each: 0.05 + 2.776445 * 0.1 * sqrt(2 / 3) = 0.276695
        (
            measurement(77.5, 77.6, 77.7, seeds=(5, 6, 7)),
            measurement(77.2, 77.3, 77.4, seeds=(0, 1, 2)),
            "changed",
            0.3,
            0.276695,
        ),
    ],
)
def test_a_cell_is_held_against_the_same_seed_and_else_against_the_noise(
    current: Measurement, reference: Measurement, verdict: str, difference: float, tolerance: float
) -> None:
    gate_verdict = compare(current, reference, 0.05, Spread(0.1, 4))
    assert gate_verdict.verdict == verdict, gate_verdict.reason
    assert gate_verdict.difference == pytest.approx(difference, abs=1e-9)
    assert gate_verdict.tolerance == pytest.approx(tolerance, abs=1e-6)


def test_what_cannot_be_compared_is_said() -> None:
    open_verdict = compare(measurement(77.9, seeds=(5,)), measurement(77.3, seeds=(0,)), 0.05, None)
    assert (open_verdict.verdict, open_verdict.tolerance) == ("cannot tell", None)
    assert open_verdict.reason == "seeds 5 here, 0 in the accepted run, and the seed noise is unknown"
    assert compare(measurement(77.9), None, 0.05, None).verdict == "not accepted"
    changed_verdict = compare(measurement(77.3, seeds=(0,)), measurement(77.3), 0.05, None)
    assert (changed_verdict.verdict, changed_verdict.reason) == (
        "changed",
        "seeds play a part now, nothing is random in the accepted run",
    )


# a whole run


def test_a_cell_moved_inside_the_papers_tolerance_turns_the_second_gate_red_and_leaves_the_first_green(
    accepted_file: Path, tmp_path: Path
) -> None:
    unchanged_content = assemble(write_run(tmp_path / "same"))
    assert (unchanged_content["verdict"], unchanged_content["exit_code"], unchanged_content["accepted"]["verdict"]) == (
        "reproduced",
        0,
        "unchanged",
    )
    assert unchanged_content["accepted"]["sentence"] == (
        f"14 of 14 cells are unchanged against the accepted run of {H100} "
        f"({unchanged_content['accepted']['files'][0]['date']}, commit {COMMIT[:12]})."
    )
    run = write_run(tmp_path / "moved", shift=0.2)
    code = report(run)
    content = json.loads((run / "report.json").read_text())
    assert (content["verdict"], content["summary"]["reproduced"]) == ("reproduced", 14), "the first gate"
    [cell] = [entry for entry in content["cells"] if entry["id"] == str(CELL)]
    assert (cell["verdict"], cell["tolerance"]) == ("reproduced", pytest.approx(0.2238, abs=1e-4))
    assert (content["accepted"]["verdict"], content["accepted"]["exit_code"], code, content["exit_code"]) == (
        "changed",
        1,
        1,
        1,
    )
    assert content["accepted"]["counts"] == {
        "unchanged": 13, "changed": 1, "unconfirmed": 0, "cannot tell": 0, "not accepted": 0
    }  # fmt: skip
    gate = (
        f"1 of 14 cells have changed against the accepted run of {H100} ({content['accepted']['files'][0]['date']}, "
        f"commit {COMMIT[:12]}), most of all {CELL} with 77.50 instead of 77.30."
    )
    assert content["accepted"]["sentence"] == gate
    assert content["sentence"] == (
        "14 of 14 judged cells agree with their reference. "
        "Second gate: 1 of 14 cells changed against our accepted run of this device."
    )
    assert cell["accepted"] == {
        "verdict": "changed",
        "reason": cell["accepted"]["reason"],
        "value": pytest.approx(77.3),
        "difference": pytest.approx(0.2),
        "tolerance": 0.05,
    }
    assert re.fullmatch(
        r"seed [012] differs by \+0\.200 from the accepted run, tolerance 0\.05", cell["accepted"]["reason"]
    )
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert content["verdict"] == "reproduced"
    assert '<section class="verdict bad" aria-label="Verdict">' in page
    assert "reproduced, but a gate fails" in page
    assert '<section class="verdict bad" aria-label="Second gate">' in page
    assert "**Second gate, no change against our accepted run: ❌ changed.**" in text
    assert "| second gate" in text.split("cells</summary>")[-1].split("\n")[2], "a column of its own"
    assert '<th scope="col">Second gate</th>' in page
    junit = (run / "junit.xml").read_text()
    assert f'<failure message="{CELL}: {cell["accepted"]["reason"]}" />' in junit
    assert f'name="{CELL}#accepted" value="changed: {cell["accepted"]["reason"]}"' in junit
    assert terminal.render(content).splitlines()[-1].startswith("CHANGED: 1 of 14 cells have changed")


def test_the_gate_is_told_in_verify(accepted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = write_run(tmp_path / "run", shift=0.2)
    report(run)
    assert main(["verify", str(run)]) == 0
    content = json.loads((run / "report.json").read_text())
    next(c for c in content["cells"] if c["id"] == str(CELL))["accepted"]["verdict"] = "unchanged"
    write_json(run / "report.json", content)
    capsys.readouterr()
    assert main(["verify", str(run)]) == 1
    assert f"{CELL}: accepted: reported 'unchanged', 77.3" in capsys.readouterr().out
    accepted_file.unlink()
    assert main(["verify", str(run)]) == 1
    assert "accepted run of this device: reported 'changed', held again 'no accepted run'" in capsys.readouterr().out


def test_another_device_is_not_held_against_this_ones(accepted_file: Path, tmp_path: Path) -> None:
    content = assemble(write_run(tmp_path / "run", shift=0.2, device=A100))
    assert (content["accepted"], content["exit_code"]) == (None, 0)
    assert {cell["accepted"] for cell in content["cells"]} == {None}


def test_another_torch_on_the_device_is_and_the_report_says_so(accepted_file: Path, tmp_path: Path) -> None:
    content = assemble(write_run(tmp_path / "run", shift=0.2, torch="2.15.0"))
    assert content["accepted"]["verdict"] == "changed"
    assert content["accepted"]["files"][0]["same_environment"] is False
    assert "in another environment than this run's" in markdown.render(content)
    assert "in another environment than this run" in html.render(content, tmp_path)


def test_limited_and_varied_runs_are_not_held(accepted_file: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", shift=0.2)
    record = json.loads((run / "run.json").read_text())
    for change in ({"limit": 64}, {"variants": {"imagenet-protocol": "cae"}}):
        write_json(run / "run.json", record | {"asked": record["asked"] | change})
        assert assemble(run)["accepted"] is None, change


def test_other_seeds_are_held_against_the_noise_of_both(accepted_file: Path, tmp_path: Path) -> None:
    # pooled over both runs: sd 0.05, df 28; 0.05 + 2.048407 * 0.05 * sqrt(2 / 3) = 0.133625, and Holm over 14 cells
    far_content = assemble(write_run(tmp_path / "far", shift=0.2, seeds=(7, 8, 9)))
    [cell] = [entry for entry in far_content["cells"] if entry["id"] == str(CELL)]
    assert cell["accepted"]["tolerance"] == pytest.approx(0.133625, abs=1e-5)
    assert (cell["accepted"]["verdict"], far_content["exit_code"]) == ("changed", 1)
    near_content = assemble(write_run(tmp_path / "near", shift=0.14, seeds=(7, 8, 9)))
    [cell] = [entry for entry in near_content["cells"] if entry["id"] == str(CELL)]
    assert (cell["accepted"]["verdict"], near_content["exit_code"]) == ("unconfirmed", 0)
    assert cell["accepted"]["reason"].endswith("not confirmed among 14 (Holm)")


def test_pytest_fails_a_changed_cell_by_name(accepted_file: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", shift=0.2)
    request = make_request(profile="paper", experiments=["image_classification"], device="cpu", run=run)
    task = next(t for t in request.tasks() if t[2] == "dino")
    trial = Trial(request, *task)
    result = Store(run).load(trial.key)
    assert result is not None
    lines = trial._changes(result, {})
    assert [line.partition(": ")[0] for line in lines] == [str(CELL)]
    assert (f"{CELL}#accepted", f"changed: {lines[0].partition(': ')[2]}") in trial.properties
