"""A user's encoder in a run, as its user sees it: nothing stale, one network a report, no other folder, no odd end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.core.paths import ROOT

VIT = "import os, sys\nfrom tests.support.vits import TinyViT\n"
SCALED = """
from theirs_beside import bend

class Bent(TinyViT):
    def forward(self, images):
        return bend(super().forward(images))

def build():
    return Bent().wrapped()
"""
DRAWN = "def build():\n    return TinyViT(seed=int.from_bytes(os.urandom(4), 'little')).wrapped()\n"
Run = Callable[..., tuple[int, str, dict]]


@pytest.fixture
def suite(tmp_path: Path, drawn_cifar10: Path) -> Run:
    """Runs a verb in a user's folder, where `theirs.py` has the encoder; returns exit code, what it said and report."""

    def run(verb: str, module: str, *more: str, beside: str = "") -> tuple[int, str, dict]:
        (tmp_path / "theirs.py").write_text(VIT + module)
        (tmp_path / "theirs_beside.py").write_text(beside)
        places = ["--run", "out", "--data", str(drawn_cifar10), "--cache", "cache"]
        selection = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--device", "cpu", "--workers", "1"]
        encoder = ["theirs:build", "--alone"] if verb == "check" else ["--encoder", "theirs:build"]
        command = [sys.executable, "-m", "suite", verb, *encoder, *selection, *places, *more]
        settings = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "OMP_NUM_THREADS": "1"}
        settings["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False, timeout=300
        )
        assert "Traceback" not in done.stderr
        report = tmp_path / "out" / "report.json"
        return done.returncode, done.stdout + done.stderr, json.loads(report.read_text()) if report.exists() else {}

    return run


def measured(report: dict) -> list[float]:
    return [cell["measured"] for cell in report["cells"] if cell["method"] == "theirs-build"]


@pytest.mark.slow
def test_what_a_second_file_changes_is_measured_anew(suite: Run) -> None:
    bent = "def bend(tokens):\n    return tokens.relu() * (tokens.detach() > {threshold})\n"
    before = suite("reproduce", SCALED, beside=bent.format(threshold=0))
    after = suite("reproduce", SCALED, beside=bent.format(threshold=1.5))
    assert before[0] == after[0] == 0, after[1]
    assert measured(before[2]) != measured(after[2])


@pytest.mark.slow
def test_a_factory_that_draws_its_weights_anew_is_refused_after_the_checks(suite: Run, tmp_path: Path) -> None:
    code, text, report = suite("check", DRAWN)
    assert code == 2, text
    [reason] = {cell["reason"] for cell in report["cells"] if cell["method"] == "theirs-build"}
    assert "expected the network of the conformance checks (weights " in reason
    assert reason.endswith(
        "nothing is measured with it: the factory draws its weights anew each time: load a checkpoint or set a seed"
    )
    assert not list((tmp_path / "out").glob("cells/**/theirs-build.json"))


@pytest.mark.slow
def test_a_factory_that_leaves_is_a_wrong_request_in_one_line(suite: Run) -> None:
    code, text, _ = suite("check", "def build():\n    sys.exit(1)\n")
    assert code == 3
    assert text.splitlines()[-1] == (
        "error: encoder 'theirs:build': loads: the factory raised SystemExit: 1 (theirs.py, line 4); nothing was "
        "measured"
    )


@pytest.mark.slow
def test_a_module_that_changes_the_current_folder_moves_neither_run_nor_cache(suite: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code, text, _ = suite("check", f"os.chdir({str(elsewhere)!r})\ndef build():\n    return TinyViT().wrapped()\n")
    assert code == 0, text
    assert not list(elsewhere.iterdir())
    assert list((tmp_path / "out").glob("cells/**/*.json"))
    assert list((tmp_path / "cache").rglob("*.safetensors"))
