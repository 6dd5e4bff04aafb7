"""A run is accepted for a reason, whole and of one environment, or not at all."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.core.files import write_json
from suite.errors import RequestError
from suite.reference.accepted import load
from suite.report.collect import assemble
from suite.reproduction.accept import accept_run
from suite.results.store import Key, Store
from tests.support.accepted_run import CELL, COMMIT, H100, environment, save, write_run


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
