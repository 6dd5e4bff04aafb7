"""A streaming bank that was killed, stopped or interrupted ends with the same bits."""

from __future__ import annotations

import os
import signal

import pytest

from suite.core.signals import stop_on_signals
from suite.errors import StorageError
from tests.support.probe_bank import SPECS, Tokens, assert_same, train

ROUNDS = 12  # 3 epochs of 52 items in rounds of 16


def stopped_after(rounds: int, folder, specs=SPECS, **options) -> None:
    calls = iter(range(1, 100))
    with pytest.raises(KeyboardInterrupt, match=f"stopped after round {rounds} of {ROUNDS}"):
        train(specs, folder=folder, stop=lambda: next(calls) == rounds, **options)


@pytest.mark.parametrize("rounds", [1, 4, 6, 11])
def test_stopped_between_rounds_it_ends_with_the_same_bits(tmp_path, rounds) -> None:
    stopped_after(rounds, tmp_path, checkpoint_s=1e9)
    source = Tokens()
    assert_same(train(folder=tmp_path, source=source), train())
    whole = Tokens()
    train(source=whole)
    assert source.asked == whole.asked[-len(source.asked) :]
    assert len(source.asked) < len(whole.asked)


def test_killed_anywhere_it_goes_on_from_the_last_checkpoint(tmp_path) -> None:
    def killed(done: int, *_: object) -> None:
        if done == 7:
            raise SystemExit  # nothing is written on the way out

    with pytest.raises(SystemExit):
        train(folder=tmp_path, on_round=killed)
    assert_same(train(folder=tmp_path), train())


def test_a_probe_that_is_ahead_waits_for_the_others(tmp_path) -> None:
    stopped_after(3, tmp_path, SPECS[:1])
    stopped_after(7, tmp_path, SPECS[1:])
    assert_same(train(folder=tmp_path), train())


def test_a_finished_bank_asks_for_nothing(tmp_path) -> None:
    expected = train(folder=tmp_path)
    source = Tokens()
    assert_same(train(folder=tmp_path, source=source), expected)
    assert source.asked == []


def test_another_configuration_starts_afresh(tmp_path) -> None:
    stopped_after(5, tmp_path)
    assert_same(train(folder=tmp_path, identity={"a": "b", "b": "b"}), train(identity={"a": "b", "b": "b"}))
    assert_same(train(folder=tmp_path, seed=9), train(seed=9))


def test_a_damaged_checkpoint_is_ignored_with_a_warning(tmp_path, capsys) -> None:
    stopped_after(5, tmp_path)
    first = sorted(tmp_path.iterdir())[0]
    first.write_bytes(first.read_bytes()[:40])
    assert_same(train(folder=tmp_path), train())
    assert f"warning: {first}: cannot be read" in capsys.readouterr().err


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path, monkeypatch) -> None:
    stopped_after(5, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StorageError, match="No space left on device"):
            train(folder=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert_same(train(folder=tmp_path), train())


def test_sigterm_ends_it_after_its_round(tmp_path) -> None:
    with stop_on_signals() as stop, pytest.raises(KeyboardInterrupt, match="stopped after round 5 of 12"):
        train(
            folder=tmp_path,
            checkpoint_s=1e9,
            on_round=lambda done, *_: os.kill(os.getpid(), signal.SIGTERM) if done == 4 else None,
            stop=stop,
        )
    assert_same(train(folder=tmp_path), train())


def test_time_left_is_told(tmp_path) -> None:
    told = []
    train(on_round=lambda done, rounds, left: told.append((done, rounds, left)))
    assert [done for done, _, _ in told] == list(range(1, ROUNDS + 1))
    assert {rounds for _, rounds, _ in told} == {ROUNDS}
    assert told[0][2] > 0
    assert told[-1][2] == 0
