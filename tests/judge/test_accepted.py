"""The second gate: a change that the paper's tolerance hides is seen against our own accepted run, and only there."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite.cells import CellId, Measurement
from suite.cli.main import main
from suite.core.files import write_json
from suite.core.numerics import environment_of
from suite.core.paths import EXPECTED
from suite.errors import ExpectedError, RequestError
from suite.experiments.judge import Trial
from suite.judge.gate import compare
from suite.reference import select as references
from suite.reference.accepted import load, slug
from suite.report import collect as assembling
from suite.report import html, markdown, terminal
from suite.report.collect import assemble, report
from suite.reproduction.accept import accept_run
from suite.results.noise import Spread
from suite.results.store import Key, PerItemScores, Result, Store
from suite.run.request import make_request
from tests.support import report_sample

H100 = "NVIDIA H100 80GB HBM3 (9.0)"
A100 = "NVIDIA A100-SXM4-40GB (8.0)"
FILE = "nvidia-h100-80gb-hbm3-9.0.toml"
COMMIT = "0123456789ab" + "c" * 28
CELL = CellId("image_classification", "imagenet1k", "dino", "linear", "top1")
# Table 1 of the paper, top-1 of linear and attentive probes
TABLE = tomllib.loads((EXPECTED / "paper" / "table1.toml").read_text())["image_classification"]["cells"]["imagenet1k"]
OFFSETS = (-0.05, 0.0, 0.05)
"""Offsets of three seeds: sd 0.05, so that the tolerance is 0.05 + 0.05 + t(.975, 14) * 0.05 * sqrt(1/3 + 1)
= 0.2238."""


def environment(device: str, torch: str = "2.14.1") -> dict[str, Any]:
    return {"python": "3.11", "packages": {"torch": torch}, "device": {"kind": "cuda", "model": device}}


def write_run(
    run: Path, *, shift: float = 0.0, device: str = H100, torch: str = "2.14.1", seeds: tuple[int, ...] = (0, 1, 2)
) -> Path:
    """A finished run of Table 1 that agrees with the paper; one cell is moved."""
    request = make_request(profile="paper", experiments=["image_classification"], seeds=seeds, device="cpu", run=run)
    for _, dataset, method in request.tasks():
        values = {
            f"{setting}/top1": [
                round(columns["top1"][method] + offset + shift * (method == "dino" and setting == "linear"), 6)
                for offset in OFFSETS[: len(seeds)]
            ]
            for setting, columns in TABLE.items()
        }
        inputs = {"weights": "w", "data": "d", "code": "c", "environment": environment(device, torch)}
        facts = {"seeds": list(seeds), "seconds": 1.0, "device": "cuda", "packages": {"torch": torch}}
        facts["code_state"] = {"suite": "0.1.0", "commit": COMMIT, "dirty": False}
        save(run, Result(Key("image_classification", dataset, method), values, {}, inputs, {}, facts))
    times = {"started": "2026-01-31T00:00:00+00:00", "finished": "2026-01-31T01:00:00+00:00", "reused": []}
    write_json(run / "run.json", {"asked": request.record(), **times})
    write_json(run / "environment.json", report_sample.environment() | {"numerics": environment(device, torch)})
    return run


def save(run: Path, result: Result) -> None:
    """With the scores of two items that its values follow from."""
    scores = {name: np.array([[value / 100] * 2 for value in values]) for name, values in result.values.items()}
    Store(run).save(result, PerItemScores(scores, "i", np.arange(2, dtype=np.int32)))


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `expected/` that values can be accepted into."""
    copy = Path(shutil.copytree(EXPECTED, tmp_path / "expected"))
    monkeypatch.setattr(references, "EXPECTED", copy)
    monkeypatch.setattr(assembling, "EXPECTED", copy)
    for module in ("experiments.judge", "reproduction.reproduce", "reproduction.accept"):
        monkeypatch.setattr(f"suite.{module}.EXPECTED", copy)
    return copy


@pytest.fixture
def accepted_file(expected: Path, tmp_path: Path) -> Path:
    """The file of an accepted run."""
    accept_run(write_run(tmp_path / "first"), reason="the first run on this GPU")
    return expected / "accepted" / "paper" / FILE


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
    assert '<section class="verdict good" aria-label="Verdict">' in page
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


# accepting


def test_a_file_says_who_when_why_and_what(accepted_file: Path, expected: Path) -> None:
    content = tomllib.loads(accepted_file.read_text())
    run = content["run"]
    assert (run["profile"], run["device"], run["commit"], run["seeds"]) == ("paper", H100, COMMIT, [0, 1, 2])
    assert (run["reason"], run["slack"]) == ("the first run on this GPU", 0.05)
    assert content["environment"] == environment(H100)
    assert content["cells"][str(CELL)] == {"values": [77.25, 77.3, 77.35], "seeds": [0, 1, 2]}
    assert len(content["cells"]) == 14
    accepted_run = load(expected / "accepted", "paper", H100)
    assert accepted_run is not None
    assert accepted_run.content() == accepted_file.read_bytes()


def test_a_changed_value_is_accepted_for_a_reason_and_diff_writes_nothing(
    accepted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = write_run(tmp_path / "moved", shift=0.2)
    old_content = accepted_file.read_bytes()
    capsys.readouterr()
    assert main(["accept", str(run), "--diff"]) == 1
    output = capsys.readouterr().out
    assert [word for word in ("77.300", "77.500", "0.200") if word not in output] == []
    assert main(["accept", str(run)]) == 3
    assert capsys.readouterr().err == (
        "error: accept: expected a reason, got none: pass REASON='why these values are to be the new ones'\n"
    )
    assert accepted_file.read_bytes() == old_content
    assert main(["accept", str(run), "--reason", "a fault in the crop is mended"]) == 0
    assert "accepted 14 cells in" in capsys.readouterr().out
    assert assemble(run)["accepted"]["verdict"] == "unchanged"
    assert main(["accept", str(run), "--diff"]) == 0
    assert capsys.readouterr().out == f"{accepted_file}: nothing would change\n"


def edit(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((run / "run.json").read_text())
    change(record)
    write_json(run / "run.json", record)


def other_environment(run: Path) -> None:
    result = Store(run).load(Key("image_classification", "imagenet1k", "mae"))
    assert result is not None
    save(run, replace(result, inputs={**result.inputs, "environment": environment(H100, "2.5.0")}))


def older(run: Path) -> None:
    for result in list(Store(run).results()):
        save(run, replace(result, inputs={k: v for k, v in result.inputs.items() if k != "environment"}))


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "limited": (
        lambda run: edit(run, lambda r: r["asked"].update(limit=40)),
        "expected the whole protocol, got limit 40: run it without",
    ),
    "varied": (
        lambda run: edit(run, lambda r: r["asked"].update(variants={"keypoint-box": "full"})),
        'expected the whole protocol, got variants {"keypoint-box": "full"}: run it without',
    ),
    "unfinished": (
        lambda run: edit(run, lambda r: r.update(finished=None)),
        "not finished: run it again, it goes on from where it was",
    ),
    "incomplete": (
        lambda run: Store(run).mark_not_run(Key("image_classification", "imagenet1k", "mae"), "no GPU"),
        "incomplete: 2 cells did not run, image_classification/imagenet1k/mae/linear/top1 first",
    ),
    "of two environments": (
        other_environment,
        "expected results of one environment, got 2, which differ in packages.torch 2.5.0, not 2.14.1: run it again "
        "without --keep-other-environments",
    ),
    "older": (older, "its results are older than the note of their environment: run it again"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), REFUSED.values(), ids=REFUSED)
def test_a_run_that_cannot_stand_for_its_device_is_refused(
    spoil: Callable[[Path], Any], words: str, expected: Path, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run")
    spoil(run)
    with pytest.raises(RequestError) as caught:
        accept_run(run, reason="why")
    assert str(caught.value) == f"{run}: {words}"
    assert not (expected / "accepted").exists()


def test_nothing_that_was_accepted_is_dropped_in_passing(accepted_file: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "cells/image_classification/imagenet1k/mae.json").unlink()
    edit(run, lambda r: r["asked"].update(cells=[c for c in r["asked"]["cells"] if "/mae/" not in c]))
    with pytest.raises(RequestError) as caught:
        accept_run(run, reason="why")
    assert str(caught.value) == (
        f"{run}: {accepted_file} holds 2 cells that this run lacks, image_classification/imagenet1k/mae/attentive/top1 "
        "first: run them too, or remove the file"
    )


def test_a_name_is_for_encoders_under_test(expected: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = write_run(tmp_path / "run")
    assert main(["accept", str(run), "--name", "x", "--reason", "why"]) == 3
    assert capsys.readouterr().err == ("error: --name x: a run without a candidate is named after its device\n")


# bad files: one clear line each, that names the file

BAD: dict[str, tuple[str, str, str]] = {
    "another device": (
        f'device = "{H100}"',
        f'device = "{A100}"',
        f"run.device: expected the device that the file is named after, got '{A100}': its values are not this "
        "device's; name it nvidia-a100-sxm4-40gb-8.0.toml, or remove it",
    ),
    "another profile": (
        'profile = "paper"',
        'profile = "mini"',
        "run.profile: expected 'paper', after the file's folder, got 'mini'",
    ),
    "no TOML": ("[run]", "[run", "expected a TOML file: "),
    "no reason": ('reason = "the first run on this GPU"\n', "", "run.reason: missing: expected a text"),
    "an environment edited by hand": (
        '"2.14.1"',
        '"2.15.0"',
        "run.environment: does not follow from [environment] and device: was it edited by hand? Run make accept",
    ),
    "a seed too many": (
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 2]",
        "values = [77.25, 77.3]\nseeds = [0, 1, 2]",
        f"cells.{CELL}.values: expected 3 in per cent, one per seed, got [77.25, 77.3]",
    ),
    "a seed of no run": (
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 2]",
        "values = [77.25, 77.3, 77.35]\nseeds = [0, 1, 5]",
        f"cells.{CELL}.seeds: expected different ones among those of the run, [0, 1, 2], got [0, 1, 5]",
    ),
    "no fraction": ("slack = 0.05", "slack = -0.05", "run.slack: expected a number >= 0, got -0.05"),
    "an unknown key": ("slack = 0.05", "slack = 0.05\nmood = 1", "run.mood: unknown key: expected one of command, "),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_clear_line(
    old: str, new: str, words: str, accepted_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert accepted_file.read_text().count(old) >= 1
    accepted_file.write_text(accepted_file.read_text().replace(old, new, 1))
    with pytest.raises(ExpectedError) as caught:
        load(accepted_file.parent.parent, "paper", H100)
    assert str(caught.value).startswith(f"{accepted_file}: {words}")
    run = write_run(tmp_path / "run")
    capsys.readouterr()
    assert main(["report", str(run)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bad_file_is_said_before_anything_is_measured(expected: Path, tmp_path: Path, capsys) -> None:
    device = environment_of("cpu")["device"]["model"]
    path = expected / "accepted" / "mini" / f"{slug(device)}.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[run]\n")
    narrow = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", "deit", "--device", "cpu"]
    assert main(["reproduce", "--runtime=venv", *narrow, "--run", str(tmp_path / "run")]) == 3
    assert capsys.readouterr().err == f"error: {path}: environment: missing: expected a table\n"
    assert not (tmp_path / "run" / "cells").exists()


def test_devices_have_names_that_fit_a_path() -> None:
    assert slug("AMD EPYC (AuthenticAMD 25 17)") == "amd-epyc-authenticamd-25-17"
    assert slug("Intel(R) Xeon(R) CPU @ 2.20GHz / ../x") == "intel-r-xeon-r-cpu-2.20ghz-..-x"


def test_a_hostile_accepted_file_stays_text(tmp_path: Path) -> None:
    sample = report_sample.report(tmp_path)
    page, text = html.render(sample, tmp_path), markdown.render(sample)
    assert "Against our accepted run" in page
    assert "## Against our accepted run" in text
    assert "<script>alert" not in page + text
