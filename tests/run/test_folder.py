"""A run folder is one command's at a time, or that of runs of one request which say so."""

import json
import shutil
from pathlib import Path

import pytest

from suite.archive.contents import contents
from suite.errors import BusyError, RequestError
from suite.run.folder import LOCK, at_work, at_work_again, join_request, turn
from suite.run.groups import ordered_groups
from suite.run.request import Request, make_request
from tests.support.holders import holding, kill


def request(run: Path, **asked: object) -> Request:
    return make_request(run=run, device="cpu", **{"encoders": ["dino"], **asked})  # type: ignore[arg-type]


def refusal(run: Path, *, join: bool = False) -> str:
    with pytest.raises(BusyError) as caught, at_work(run, join=join):
        pass
    return str(caught.value)


def test_the_second_command_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    with holding(tmp_path / LOCK) as holder:
        begin, end = f"{tmp_path}: process {holder.pid} on ", " is at work in it: wait for it to end"
        for message, advice in (
            (refusal(tmp_path), ", or choose another folder (--run)"),
            (refusal(tmp_path, join=True), ", or start both with --join"),
        ):
            assert message.startswith(begin)
            assert message.endswith(end + advice)
        with pytest.raises(BusyError, match=r"wait for it to end$"), at_work_again(tmp_path):
            pass
        kill(holder)
        with at_work(tmp_path):
            pass


def test_those_that_join_work_together_and_one_that_does_not_is_refused(tmp_path: Path) -> None:
    with holding(tmp_path / LOCK, shared=True):
        with at_work(tmp_path, join=True):
            pass
        assert "choose another folder (--run)" in refusal(tmp_path)


def test_a_folder_that_is_not_there_is_not_made_by_who_judges_again(tmp_path: Path) -> None:
    with at_work_again(tmp_path / "typo"):
        pass
    assert not (tmp_path / "typo").exists()


def test_joining_notes_the_request_and_leaves_a_note_of_the_same_as_it_is(tmp_path: Path) -> None:
    join_request(request(tmp_path))
    note = json.loads((tmp_path / "run.json").read_text())
    assert note["asked"]["encoders"] == ["dino"]
    (tmp_path / "run.json").write_text(json.dumps(note | {"reused": ["x"]}))
    elsewhere = Path(shutil.copytree(tmp_path, tmp_path / "mounted elsewhere"))
    join_request(request(elsewhere, data=tmp_path / "data", cache=tmp_path / "cache"))
    assert json.loads((elsewhere / "run.json").read_text())["reused"] == ["x"]


def test_joining_another_request_is_refused(tmp_path: Path) -> None:
    join_request(request(tmp_path))
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(RequestError) as caught:
        join_request(request(tmp_path, seeds=(1, 2)))
    assert str(caught.value) == (
        f"{tmp_path}/run.json: --join: expected a run of the same request, got another seeds: "
        "ask for the same, or choose another folder (--run)"
    )
    with pytest.raises(RequestError, match=r"got another encoders, cells: "):
        join_request(request(tmp_path, encoders=["mae"]))
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_folder_without_a_request_takes_that_of_who_joins(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    join_request(request(tmp_path))
    assert json.loads((tmp_path / "run.json").read_text())["asked"]["encoders"] == ["dino"]


def test_a_run_of_one_command_can_be_gone_on_with_by_others(tmp_path: Path) -> None:
    times = {"started": "2025-01-01T00:00:00+00:00", "finished": "2025-01-01T00:01:00+00:00"}
    record = request(tmp_path).record() | {"command": "another spelling"}
    (tmp_path / "run.json").write_text(json.dumps({"asked": record, **times, "reused": ["x"]}))
    join_request(request(tmp_path))
    note = json.loads((tmp_path / "run.json").read_text())
    assert (note["started"], note["finished"], note["reused"]) == (times["started"], None, ["x"])
    assert note["groups"] == ordered_groups(request(tmp_path))


@pytest.mark.parametrize(
    ("damage", "got"),
    [
        ("", "run.json: expected what was asked of a run as JSON, got none: Expecting value: line 1 column 1 (char 0)"),
        ("[1]", "run.json: expected a table, got [1]"),
        ("{}", "run.json: asked: missing: expected a table"),
        ('{"asked": 1}', "run.json: asked: expected a table, got 1"),
        (
            "\0",
            "run.json: expected what was asked of a run as JSON, got none: Expecting value: line 1 column 1 (char 0)",
        ),
    ],
)
def test_a_damaged_request_is_not_taken_for_none(tmp_path: Path, damage: str, got: str) -> None:
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises(RequestError) as caught:
        join_request(request(tmp_path))
    assert str(caught.value) == f"{tmp_path}/{got}; restore it, or measure again (make reproduce)"
    assert (tmp_path / "run.json").read_text() == damage


def test_a_request_that_is_a_link_to_nothing_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(
        RequestError, match=r"run\.json: expected what was asked of a run, got a link to nothing; restore"
    ):
        join_request(request(tmp_path))


def test_locks_are_no_evidence(run: Path) -> None:
    before = contents(run)
    with at_work(run, join=True), turn(run, join=True):
        assert contents(run) == before
    assert LOCK in {path.name for path in run.iterdir()}
