"""State of a run while it works: what is done, runs, is lost or waits, and the time left."""

from pathlib import Path

import pytest

from suite.cli.main import main
from suite.plan.record import save_plan
from suite.report.status import status
from suite.results.store import Key, Store
from suite.run.folder import LOCK, join_request, lock_of
from tests.support.holders import holding, kill
from tests.support.shard_runs import TRIALS, request_of, write_shard


def snapshot(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_run_that_waits_for_its_first_shard(tmp_path: Path) -> None:
    join_request(request_of(tmp_path))
    assert status(tmp_path) == (
        f"{tmp_path}: 3 groups of trials: 0 done, 0 running, 0 lost, 3 waiting\n"
        "time left: unknown: no group was planned or measured yet; 3 of 3 groups of unknown length"
    )


def test_what_runs_is_seen_by_its_lock_and_what_died_is_lost(tmp_path: Path) -> None:
    write_shard(tmp_path, "1/2")  # two trials, a second each
    folder = write_shard(tmp_path, "2/2", ended=False)
    before = f"{tmp_path}: 3 groups of trials: 2 done, "
    left = "time left: 1.0 s of one process, at most 1.0 s with all shards at work\n"
    with holding(lock_of(tmp_path, [TRIALS[1]])) as holder:
        lines = status(tmp_path).splitlines()
        assert lines[0] == f"{before}1 running, 0 lost, 0 waiting"
        assert lines[2].startswith(f"running: {TRIALS[1]}: process {holder.pid} on ")
        kill(holder)
    text = status(tmp_path)
    assert text.startswith(
        f"{before}0 running, 0 lost, 1 perhaps running, 0 waiting\n{left}perhaps running: {TRIALS[1]}: "
    )
    assert text.endswith(" has no end on record: it runs still, was killed, or lost its machine")
    with holding(folder / LOCK) as holder:  # between two groups
        assert status(tmp_path).startswith(f"{before}0 running, 0 lost, 1 waiting\n")
        kill(holder)
    assert status(tmp_path).startswith(f"{before}0 running, 1 lost, 0 waiting\n"), "of this machine it is known"
    (folder / "exit_code").write_text("137\n")
    text = status(tmp_path)
    assert text.startswith(
        f"{before}0 running, 1 lost, 0 waiting\n{left}lost: {TRIALS[1]}: shard 2 of 2: killed in its "
    )
    assert text.endswith(": most likely out of memory")


def test_a_trial_that_could_not_be_measured_is_lost_with_its_reason(tmp_path: Path) -> None:
    write_shard(tmp_path, "2/2", exit_code=2)
    Store(tmp_path).mark_not_run(Key(*TRIALS[1].split("/")), "its weights are missing")
    assert status(tmp_path).splitlines()[0] == f"{tmp_path}: 3 groups of trials: 0 done, 0 running, 1 lost, 2 waiting"
    assert status(tmp_path).splitlines()[2:] == [f"lost: {TRIALS[1]}: its weights are missing"]


def test_time_left_is_that_of_shards_plans_where_nothing_was_measured(tmp_path: Path) -> None:
    for text, numbers in (("1/2", (0, 2)), ("2/2", (1,))):
        folder = write_shard(tmp_path, text, ended=False)
        save_plan(folder, [{"trials": [TRIALS[n]], "seconds": 60.0 * (n + 1)} for n in numbers], processes=2)
    assert status(tmp_path).splitlines()[1] == (
        "time left: 6 min 00 s of one process, at most 4 min 00 s with all shards at work"
    )


def test_the_verb_ends_in_0_and_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shard(tmp_path, "1/1", ended=False)
    before = snapshot(tmp_path)
    assert main(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}: 3 groups of trials: 0 done, ")
    assert snapshot(tmp_path) == before


def test_a_run_of_one_command_has_a_state_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(run)]) == 0
    assert capsys.readouterr().out == (
        f"{run}: 2 groups of trials: 2 done, 0 running, 0 lost, 0 waiting\ntime left: none\n"
    )
