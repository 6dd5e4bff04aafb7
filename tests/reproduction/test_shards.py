"""Shards of a run: together they give what one command gives, and each keeps to its own trials and its own folder."""

import errno
import json
from pathlib import Path

import pytest

from suite.cli.main import main

pytestmark = pytest.mark.usefixtures("nothing_drawn_or_loaded")
ASKED = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--device", "cpu", "--workers", "1"]
SEE_TO_IT = "see to it yourself that no other process works there"
RECORDS = {"attempts.jsonl", "environment.json", "checks.json", "plan.json", "pytest.log", "junit.xml"}


def ask(run: Path, data: Path, *more: str) -> int:
    places = ["--run", str(run), "--data", str(data), "--cache", str(run.parent / "cache")]
    encoders = [] if "--encoder" in more else ["--encoder", "mae,deit"]
    return main(["reproduce", *ASKED, *encoders, "--limit", "40", "--runtime", "venv", *places, *more])


def values(run: Path) -> dict[str, object]:
    return {path.stem: json.loads(path.read_text())["values"] for path in run.glob("cells/*/*/*.json")}


def ends(folder: Path) -> list[dict]:
    lines = map(json.loads, (folder / "attempts.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == "end"]


@pytest.mark.slow
def test_shards_give_the_values_of_the_whole_and_no_verdict_and_again_nothing_new(
    tmp_path: Path, drawn_cifar10: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert ask(run, drawn_cifar10, "--shard", "2/2") == 0
    assert capsys.readouterr().out.endswith(
        f"shard 2 of 2: 1 trial: 1 measured, 0 reused, 0 lost; python -m suite report {run} judges the whole\n"
    )
    assert [*values(run)] == ["mae"]
    assert ask(run, drawn_cifar10, "--shard", "1/2") == 0
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == {
        *("run.json", "sbom.json", "cells", "items", "shards")
    }
    for name, trial in (("1-of-2", "deit"), ("2-of-2", "mae")):
        folder = run / "shards" / name
        assert {path.name for path in folder.iterdir() if path.name != ".lock"} == RECORDS
        (end,) = ends(folder)
        assert end["measured"]["names"] == [f"object_retrieval/cifar10/{trial}"]
        assert (end["exit_code"], end["verdict"]) == (0, None)
    assert json.loads((run / "run.json").read_text())["finished"] is None
    assert ask(tmp_path / "whole", drawn_cifar10) == 0
    assert values(run) == values(tmp_path / "whole")
    assert ask(run, drawn_cifar10, "--shard", "1/2") == 0
    _, again = ends(run / "shards" / "1-of-2")
    assert (again["measured"]["count"], again["reused"]["count"]) == (0, 1)


def test_a_shard_beyond_the_groups_has_nothing_to_do(
    tmp_path: Path, drawn_cifar10: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path / "run", drawn_cifar10, "--shard", "3/3") == 0
    assert capsys.readouterr().out == (
        "shard 3 of 3: nothing to do: the request has 2 groups of trials, fewer than shards\n"
    )


def test_a_shard_whose_data_lack_ends_in_2_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert ask(run, tmp_path / "no data", "--shard", "1/2") == 2
    out = capsys.readouterr().out
    assert (
        f"shard 1 of 2: 1 trial: 0 measured, 0 reused, 1 lost; python -m suite report {run} judges the whole\n"
        "not run: object_retrieval/cifar10/deit: "
    ) in out
    (end,) = ends(run / "shards" / "1-of-2")
    assert (end["outcome"], end["exit_code"]) == ("finished", 2)
    assert '<testcase classname="suite.experiments.test_object_retrieval"' in (
        (run / "shards" / "1-of-2" / "junit.xml").read_text()
    )


@pytest.mark.slow
def test_a_shard_of_another_request_is_refused_before_it_writes(
    tmp_path: Path, drawn_cifar10: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert ask(run, drawn_cifar10, "--shard", "1/2") == 0
    capsys.readouterr()
    assert ask(run, drawn_cifar10, "--shard", "2/2", "--seed", "1") == 3
    assert capsys.readouterr().err == (
        f"error: {run}/run.json: --shard: expected a run of the same request, got another seeds: "
        "ask for the same, or choose another folder (--run)\n"
    )
    assert [path.name for path in (run / "shards").iterdir()] == ["1-of-2"]


@pytest.mark.slow
@pytest.mark.parametrize(("code", "how"), [(errno.ENOLCK, ("--shard", "1/2")), (errno.ENOSYS, ("--join",))])
def test_on_a_disk_without_locks_nothing_fails(
    tmp_path: Path,
    drawn_cifar10: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: tuple[str, ...],
    code: int,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    run = tmp_path / "run"
    assert ask(run, drawn_cifar10, *how, "--encoder", "mae") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[step ")]
    warnings = [line for line in lines if f"{run}/" in line]
    assert warnings == ([] if "--shard" in how else [f"warning: {run}/.lock: cannot be locked (no locks): {SEE_TO_IT}"])
