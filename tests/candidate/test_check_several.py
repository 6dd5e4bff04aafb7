"""`check` of several encoders: all are asked the conformance questions, measured and reported beside each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.candidate.check import check_candidates
from suite.cli.main import main
from suite.errors import RequestError
from suite.results.store import Store
from suite.run.request import make_request
from tests.support.candidate_run import SWEEP, write_record, write_sweep

MODULE = """
from tests.support.vits import TinyViT

def build(epoch: int):
    return TinyViT(registers=2, seed=epoch).wrapped()

def broken():
    return TinyViT().wrapped(mean=(123, 116, 103), std=(58, 57, 57))

def absent():
    raise FileNotFoundError("no weights here")
"""
NARROW = ("--experiment", "object_retrieval", "--dataset", "cifar10", "--workers", "1", "--encoder", "dino")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user's module, `swept`."""
    (tmp_path / "swept.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("swept", None)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_drawn_or_loaded", "module")
def test_a_list_of_encoders_is_measured_and_reported_beside_another(
    tmp_path: Path, drawn_cifar10: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "sweep.txt").write_text("".join(f"swept:build?epoch={n}  # so far\n" for n in (10, 20, 30)))
    run = tmp_path / "run"
    places = ["--run", str(run), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache")]
    gate = ["--no-worse-than", "swept:build?epoch=10", "--by", "100"]
    assert main(["check", f"@{tmp_path / 'sweep.txt'}", *NARROW, *places, *gate]) == 0
    output = capsys.readouterr().out
    names = [f"swept-build-epoch-{n}" for n in (10, 20, 30)]
    report = json.loads((run / "report.json").read_text())
    assert [entry["method"] for entry in report["newcomers"]] == names == report["together"]["methods"]
    assert report["conformance"] is None
    assert [entry["encoder"] for entry in report["conformances"]] == [f"swept:build?epoch={n}" for n in (10, 20, 30)]
    assert {check["status"] for entry in report["conformances"] for check in entry["rungs"]} == {"passed"}
    assert report["together"]["family"]["size"] == 3 * 1 + 3, "with DINO, and among themselves"
    assert report["together"]["trend"]["axis"] == "epoch"
    values = {cell["method"]: cell["measured"] for cell in report["cells"] if cell["id"].endswith("/encoded/ap")}
    [pair] = [p for p in report["newcomers"][0]["rival_pairs"] if p["reference"] == names[2]]
    assert pair["value"] == pytest.approx(values[names[0]] - values[names[2]], abs=1e-3)
    assert "no_worse_than" not in report["newcomers"][0], "the reference is not held against itself"
    assert [entry["no_worse_than"]["verdict"] for entry in report["newcomers"][1:]] == ["no worse", "no worse"]
    for number in (10, 20, 30):
        assert f"conformance of swept:build?epoch={number}\n  ok   loads" in output
    assert output.index("conformance of swept:build?epoch=30") < output.index("3 candidates: 6 paired comparisons")
    assert len(list((run / ".networks").iterdir())) == 3, "each is noted as one network"

    assert main(["check", "swept:build?epoch=10,swept:build?epoch=40", *NARROW, *places]) == 3
    assert capsys.readouterr().err == (
        f"error: {run}: holds a run of swept:build?epoch=10, swept:build?epoch=20, swept:build?epoch=30; not among the "
        "encoders now: swept:build?epoch=20, swept:build?epoch=30: choose another folder, e.g. "
        f"RUN={run}-2, or remove this one\n"
    )


@pytest.mark.usefixtures("nothing_drawn_or_loaded", "module")
def test_all_are_checked_before_one_line_says_which_fail(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = tmp_path / "run"
    specs = "swept:broken,swept:build?epoch=1,swept:absent"
    for options in ([], ["--conformance-only"]):
        assert main(["check", specs, *NARROW, "--run", str(run), *options]) == 3
        captured = capsys.readouterr()
        assert captured.err.startswith(
            "error: 2 of 3 encoders fail the conformance checks: 'swept:broken': normalisation: mean (123.0"
        )
        assert captured.err.endswith(
            "; 'swept:absent': loads: the factory raised FileNotFoundError: no weights here (swept.py, line 11); "
            "nothing was measured\n"
        )
        assert captured.err.count("\n") == 1
        assert captured.out.count("conformance of ") == 3
        assert "ok   fingerprint" in captured.out, "of the one that passes, although the first failed"
    answers = json.loads((run / "conformance.json").read_text())["candidates"]
    assert [answer["encoder"] for answer in answers] == specs.split(",")
    assert not (run / "cells").exists()


@pytest.mark.usefixtures("nothing_drawn_or_loaded", "module")
def test_conformance_only_of_several_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "swept:build?epoch=1,swept:build?epoch=2", *NARROW, "--conformance-only"]) == 0
    assert capsys.readouterr().out.count("ok   fingerprint") == 2
    assert not (tmp_path / "runs").exists()


def test_one_of_the_seven_among_several_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["check", "mine:build,dino", "--alone", "--run", str(tmp_path / "run")]) == 3
    assert capsys.readouterr().err == (
        "error: encoder 'dino': one of the profile's own: use make reproduce; for a file, dino@FILE\n"
    )


def test_a_sweep_may_grow_in_its_folder_and_another_does_not_replace_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_sweep(run)
    specs = [*SWEEP]
    longer = [*specs, "timm:vit@runs/a/epoch400/checkpoint.pth"]
    check_candidates(make_request(encoders=longer, run=run), longer)
    check_candidates(make_request(encoders=specs[::-1], run=run), specs[::-1])
    other = ["timm:vit@runs/a/epoch100/checkpoint.pth", "timm:vit@runs/b/last.pth"]
    with pytest.raises(
        RequestError, match=r"not among the encoders now: .*epoch200.*epoch300.*: choose another folder"
    ):
        check_candidates(make_request(encoders=other, run=run), other)
    assert len(list(Store(run).results())) == 4 * 12


def test_single_encoders_share_a_folder_as_ever(tmp_path: Path) -> None:
    write_record(tmp_path, ["mine:build"])
    check_candidates(make_request(encoders=["other:build"], run=tmp_path), ["other:build"])
