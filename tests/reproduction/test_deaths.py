"""A trial that takes its process with it is not run, with the cause as its reason; the others are, and the run ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from suite.core.paths import ROOT
from suite.results.store import Key, Store

DEADLY = "tests.support.deadly"


def reproduce(folder: Path, drawn_cifar10: Path, encoders: str, *more: str) -> tuple[int, str, dict]:
    """Run it as a user does; return exit code, stderr and report."""
    places = ["--run", str(folder / "run"), "--data", str(drawn_cifar10), "--cache", str(folder / "cache")]
    selection = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--encoder", encoders, "--device", "cpu"]
    command = [sys.executable, "-m", "suite", "reproduce", *selection, *places, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr, json.loads((folder / "run" / "report.json").read_text())


def verdicts(report: dict) -> dict[str, set[tuple[str, str | None]]]:
    """Method -> what became of its cells and why."""
    outcomes: dict[str, set[tuple[str, str | None]]] = {}
    for cell in report["cells"]:
        if cell["reason"] != "not asked for":
            why = cell["reason"] if cell["verdict"] == "not run" else None
            outcomes.setdefault(cell["method"], set()).add((cell["verdict"], why))
    return outcomes


@pytest.mark.slow
def test_code_that_leaves_its_trial_is_not_run_and_never_a_verdict(tmp_path: Path, drawn_cifar10: Path) -> None:
    encoders = f"{DEADLY}:leaving,mae,{DEADLY}:cancelled"
    code, _, report = reproduce(tmp_path, drawn_cifar10, encoders, "--workers", "1")
    assert (code, report["verdict"]) == (2, "incomplete")
    assert verdicts(report) == {
        f"{DEADLY}-leaving": {("not run", "stopped by SystemExit: 0")},
        f"{DEADLY}-cancelled": {("not run", "stopped by CancelledError")},
        "mae": {("reproduced", None)},
    }


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_trials_that_kill_their_process_lose_nobody_else(tmp_path: Path, drawn_cifar10: Path, workers: str) -> None:
    encoders = f"{DEADLY}:killed,mae,{DEADLY}:crashing,{DEADLY}:killed_when_made,dino"
    code, _, report = reproduce(tmp_path, drawn_cifar10, encoders, "--workers", workers)
    assert code == 2
    assert report["verdict"] == "incomplete"
    killed = "its process was killed (SIGKILL)"
    assert verdicts(report) == {
        f"{DEADLY}-killed": {("not run", killed)},
        f"{DEADLY}-crashing": {("not run", "its process was killed (SIGSEGV): see pytest.log")},
        f"{DEADLY}-killed_when_made": {("not run", killed)},
        "mae": {("reproduced", None)},
        "dino": {("reproduced", None)},
    }
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "run" / "junit.xml").getroot().iter("testcase")}
    dead = cases[f"test_object_retrieval[object_retrieval/cifar10/{DEADLY}-killed]"]
    assert [(child.tag, child.get("message")) for child in dead if child.tag != "properties"] == [("error", killed)]
    assert "Fatal Python error: Segmentation fault" in (tmp_path / "run" / "pytest.log").read_text()


@pytest.mark.slow
def test_no_more_trials_begin_after_so_many_deaths(tmp_path: Path, drawn_cifar10: Path) -> None:
    code, _, report = reproduce(tmp_path, drawn_cifar10, f"{DEADLY}:killed,mae", "--workers", "1", "--max-crashes", "1")
    assert code == 2
    reason = "not started: 1 processes had died (--max-crashes 1)"
    assert verdicts(report)["mae"] == {("not run", reason)}


@pytest.mark.slow
def test_what_finds_no_memory_goes_on_with_half_the_images(tmp_path: Path, drawn_cifar10: Path) -> None:
    """At once, in smaller passes; where that does not help once more at the end, in a process of its own."""
    code, out, report = reproduce(tmp_path, drawn_cifar10, f"{DEADLY}:wide,{DEADLY}:stubborn,mae")
    assert code == 0
    values = {c["method"]: c["measured"] for c in report["cells"] if c["id"].endswith("encoded/ap") and c["measured"]}
    facts = {}
    for name in ("wide", "stubborn"):
        assert values[f"{DEADLY}-{name}"] == pytest.approx(values["mae"], abs=0.01)
        result = Store(tmp_path / "run").load(Key("object_retrieval", "cifar10", f"{DEADLY}-{name}"))
        assert result is not None
        facts[name] = result.facts
    smaller = f"{DEADLY}:wide: passes of 64 images in place of 128, for which memory had no room"
    assert facts["wide"]["backoffs"] == [smaller]
    assert f"object_retrieval/cifar10/{DEADLY}-wide: {smaller}" in out
    assert "forward_batch_size" not in facts["wide"]
    assert facts["stubborn"]["forward_batch_size"] == 64
    assert "backoffs" not in facts["stubborn"]
