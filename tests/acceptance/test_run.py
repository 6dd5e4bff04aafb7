"""The acceptance as a whole: its refusal without a card, its steps in order, its record and exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.acceptance import run as running
from suite.acceptance.run import accept, exit_code, try_out
from suite.acceptance.site import Answer, Site, run_suite
from suite.acceptance.steps import STEPS, Step
from suite.cli.main import main
from tests.support.stand_in_gpu import StandInGpu

MakeSite = Callable[..., Site]
REFUSAL = "error: gpu-acceptance: expected an NVIDIA GPU with driver 580 or newer, for CUDA 13, got: {why}\n"


def passing(_site: Site) -> Answer:
    """Try what passes."""
    return Answer("passed", "all | well", {"number": 1.5})


def failing(_site: Site) -> Answer:
    """Try what fails."""
    raise RuntimeError("no kernel image is available\nfor execution on the device")


def test_without_a_card_one_line_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("suite.core.nvidia.DEVICE_FILES", tmp_path)
    monkeypatch.setattr("suite.core.nvidia.PCI_DEVICES", tmp_path)
    assert main(["gpu-acceptance", f"--out={tmp_path / 'out'}"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", REFUSAL.format(why="no NVIDIA GPU on this machine"))
    assert not (tmp_path / "out").exists()


def test_with_a_card_that_pytorch_does_not_see_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("suite.core.nvidia.no_gpu", lambda: "")
    monkeypatch.setattr("suite.acceptance.run.unusable", lambda: "torch finds no usable GPU")
    assert main(["gpu-acceptance", f"--out={tmp_path / 'out'}", "--runtime=venv"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", REFUSAL.format(why="torch finds no usable GPU"))


def test_every_step_is_taken_and_recorded(stand_in: MakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    record = try_out(stand_in(), [Step("first", passing), Step("second", failing), Step("third", passing)], "Card 1")
    assert [(s["name"], s["status"], s["question"]) for s in record["steps"]] == [
        ("first", "passed", "Try what passes."),
        ("second", "failed", "Try what fails."),
        ("third", "passed", "Try what passes."),
    ]
    assert record["steps"][0]["facts"] == {"number": 1.5}
    assert record["steps"][1]["detail"] == (
        "stopped by RuntimeError: no kernel image is available for execution on the device"
    )
    assert capsys.readouterr().out.splitlines() == [
        "passed         first: all | well",
        "failed         second: stopped by RuntimeError: no kernel image is available for execution on the device",
        "passed         third: all | well",
    ]
    assert exit_code(record) == 1


def test_what_there_is_no_time_for_is_not_run(stand_in: MakeSite) -> None:
    record = try_out(stand_in(seconds=0), [Step("late", passing)], "Card 1")
    assert [(s["status"], s["detail"]) for s in record["steps"]] == [("not run", "no time was left")]
    assert exit_code(record) == 2


def test_what_a_machine_has_not_is_no_failure() -> None:
    assert exit_code({"steps": [{"status": "passed"}, {"status": "not applicable"}]}) == 0


def test_record_and_page_are_named_by_card_and_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    StandInGpu().install(monkeypatch)
    monkeypatch.setattr(running, "STEPS", [Step("first", passing)])
    assert accept(tmp_path) == 0
    [data, page] = sorted(tmp_path.iterdir())
    record = json.loads(data.read_text())
    day = record["started"][:10]
    assert [data.name, page.name] == [f"gpu_stand_in_9000_80gb_{day}{end}" for end in (".json", ".md")]
    assert (record["model"], record["driver"], record["cards"]) == ("Stand-In 9000 (80GB)", "580.95.05", 1)
    lines = page.read_text().splitlines()
    assert lines[0] == "# GPU acceptance: Stand-In 9000 (80GB)"
    assert "driver 580.95.05" in lines[2]
    assert lines[2].endswith(
        ": 1 passed. Made by `make gpu-acceptance`; the numbers are in the JSON file beside this page."
    )
    assert lines[6].startswith("| ✅ passed | first | Try what passes. | all \\| well | ")
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {data} and {page}"


def test_every_step_says_what_it_tries() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert all(step.question.endswith((".", ";", ":")) or step.question for step in STEPS)


def test_a_verb_runs_in_a_process_of_its_own_and_tells_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run_suite(["image", "inspect", "--image=no:name:at:all"], 60)
    assert ended.code == 3
    assert ended.last_line.startswith("error: ")
    assert run_suite(["render", "--help"], 60).code == 0
