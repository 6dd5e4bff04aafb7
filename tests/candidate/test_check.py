"""`check` measures a new encoder beside others, and takes over what another run has finished."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from suite.candidate.check import adopt
from suite.candidate.listed import companions
from suite.cells import METHODS
from suite.cli.main import main
from suite.errors import RequestError
from suite.results.store import Key, Store
from suite.run.request import make_request
from tests.support.archived_run import alter


def test_companions() -> None:
    assert companions([], profile="mini", alone=False)[:7] == list(METHODS)
    assert companions([], profile="mini", alone=True) == []
    assert companions([], profile="paper", alone=False) == []
    assert companions(["dino"], profile="paper", alone=False) == ["dino"]
    with pytest.raises(RequestError, match="--alone and --encoder dino"):
        companions(["dino"], profile="mini", alone=True)


def test_finished_results_of_another_run_are_adopted_with_their_items(run: Path, tmp_path: Path) -> None:
    request = make_request(encoders=["dino"], experiments=["part_retrieval"], datasets=["cub200"], run=tmp_path / "new")
    adopt(run, request)
    store = Store(request.run)
    result = store.load(Key("part_retrieval", "cub200", "dino"))
    assert result is not None
    assert store.load_if_valid(result.key, result.inputs) == result
    assert store.items(result) is not None
    assert len(list(store.results())) == 1, "only what is asked for"
    store.save(replace(result, values={"encoded/ap": [1.0]}))
    adopt(run, request)
    assert store.load(result.key).values == {"encoded/ap": [1.0]}, "what is there stays"


def test_what_was_edited_in_another_run_is_named_and_not_adopted(run: Path, tmp_path: Path, capsys) -> None:
    request = make_request(encoders=["dino"], experiments=["part_retrieval"], datasets=["cub200"], run=tmp_path / "new")
    path = Store(run).path(Key("part_retrieval", "cub200", "dino"))
    alter(path, lambda cell: cell["values"].update({"encoded/ap": [99.0]}), sign=True)
    adopt(run, request)
    assert capsys.readouterr().err == (
        f"warning: {path}: encoded/ap: expected 60.000000, as the items of {run}/items/part_retrieval/cub200/"
        "dino.safetensors score, got 99.0: not taken over, measured again\n"
    )
    assert list(Store(request.run).keys()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_drawn_or_loaded")
def test_check_measures_a_user_s_encoder_beside_another(
    tmp_path: Path, drawn_cifar10: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "checked.py").write_text(
        "from tests.support.vits import TinyViT\ndef build():\n    return TinyViT(registers=2).wrapped()\n"
        "def broken():\n    return TinyViT().wrapped(mean=(123, 116, 103), std=(58, 57, 57))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = tmp_path / "run"
    narrow_options = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--workers", "1", "--encoder", "dino"]
    places = ["--run", str(run), "--data", str(drawn_cifar10), "--cache", str(tmp_path / "cache")]
    assert main(["check", "checked:build", *narrow_options, *places]) == 0
    assert "ok   patch order" in capsys.readouterr().out
    report = json.loads((run / "report.json").read_text())
    [candidate] = report["newcomers"]
    [pair] = [p for p in candidate["pairs"] if p["setting"] == "encoded"]
    values = {c["id"]: c["measured"] for c in report["cells"]}
    cells = [f"object_retrieval/cifar10/{method}/encoded/ap" for method in ("checked-build", "dino")]
    assert pair["value"] == pytest.approx(values[cells[0]] - values[cells[1]], abs=1e-3)
    assert candidate["columns"][0]["references"]["mae"]["source"] == "recorded"
    assert {check["status"] for check in report["conformance"]["rungs"]} == {"passed"}

    assert main(["check", "checked:broken", *narrow_options, "--run", str(tmp_path / "broken")]) == 3
    captured = capsys.readouterr()
    assert "error: encoder 'checked:broken': normalisation: mean (123.0" in captured.err
    assert "FAIL normalisation" in captured.out
    assert json.loads((tmp_path / "broken/conformance.json").read_text())["rungs"][1]["status"] == "failed"
    assert not (tmp_path / "broken/cells").exists()
    sys.modules.pop("checked")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "dino", "--alone"], "error: encoder 'dino': one of the profile's own"),
        (["check", "vit_base_patch16_224", "--alone"], "error: unknown encoder 'vit_base_patch16_224'"),
        (["accept", "no/such/run"], "error: no/such/run: expected a run folder with run.json"),
    ],
)
def test_a_wrong_request_is_one_line(arguments: list[str], words: str, tmp_path: Path, capsys) -> None:
    run_options = ["--run", str(tmp_path / "run")] if arguments[0] == "check" else []
    assert main([*arguments, *run_options]) == 3
    error_text = capsys.readouterr().err.strip()
    assert error_text.startswith(words)
    assert "\n" not in error_text
