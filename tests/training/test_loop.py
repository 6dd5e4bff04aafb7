"""The one training loop, on heads that learn in no time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from suite.errors import MetricError
from suite.training import loop
from suite.training.checkpoints import Checkpoints, checkpoints_in
from suite.training.distributed import World
from tests.support.learners import Slope

ROUNDS = 6
Log = list[tuple[int, list[str]]]


def store(folder: Path, *names: str) -> Checkpoints:
    return Checkpoints(folder, dict.fromkeys(names, "these"), "suite.training.loop")


def run(learners: Sequence[Slope], *, poison: int = -1, evaluate: Callable[..., None] | None = None, **options) -> Log:
    """Train; which heads took each round."""
    steps: Log = []

    def step(number: int, active: Sequence[Slope]) -> None:
        steps.append((number, [learner.name for learner in active]))
        for learner in active:
            learner.learn(math.nan if number == poison else 1.0 + number)

    loop.train(learners, ROUNDS, step, evaluate or (lambda *_: None), **{"look_every": 2} | options)
    return steps


def stopping_after(round_: int) -> Callable[[], bool]:
    calls = iter(range(1, 100))
    return lambda: next(calls) == round_


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds; a test moves them on."""
    now = [100.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    return now


def test_all_heads_take_every_round_and_are_evaluated_after_it() -> None:
    evaluated: Log = []
    learners = [Slope("a"), Slope("b")]
    steps = run(learners, evaluate=lambda done, active: evaluated.append((done, [h.name for h in active])))
    assert steps == [(number, ["a", "b"]) for number in range(ROUNDS)]
    assert evaluated == [(number + 1, ["a", "b"]) for number in range(ROUNDS)]
    assert [learner.rounds for learner in learners] == [ROUNDS, ROUNDS]


def test_stopped_it_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^stopped after step 4 of 6$"):
        run([Slope("a")], checkpoints=store(tmp_path, "a"), checkpoint_s=1e9, stop=stopping_after(4), unit="step")
    resumed, whole = Slope("a", seed=9), Slope("a")
    assert run([resumed], checkpoints=store(tmp_path, "a")) == [(4, ["a"]), (5, ["a"])]
    run([whole])
    assert torch.equal(resumed.head.weight, whole.head.weight)
    assert resumed.losses() == whole.losses()


def test_told_to_stop_after_the_last_round_it_is_done(tmp_path: Path) -> None:
    run([Slope("a")], checkpoints=store(tmp_path, "a"), stop=stopping_after(ROUNDS))
    assert run([Slope("a")], checkpoints=store(tmp_path, "a")) == []


def test_a_head_that_is_ahead_waits_and_one_that_is_finished_stays_out(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, "a", "b", "c")
    run([Slope("a")], checkpoints=checkpoints)
    with pytest.raises(KeyboardInterrupt):
        run([Slope("b")], checkpoints=checkpoints, stop=stopping_after(4))
    steps = run([Slope("a"), Slope("b"), Slope("c")], checkpoints=checkpoints)
    assert steps == [*((number, ["c"]) for number in range(4)), (4, ["b", "c"]), (5, ["b", "c"])]


def test_checkpoints_are_written_every_so_many_seconds_and_at_the_end(tmp_path: Path, clock: list[float]) -> None:
    class Noted(Checkpoints):
        def save(self, learner: Slope) -> None:
            saved.append(learner.rounds)

    saved: list[int] = []
    checkpoints = Noted(tmp_path, {"a": "these"}, "suite.training.loop")
    run([Slope("a")], checkpoints=checkpoints, checkpoint_s=20, on_round=lambda *_: clock.append(clock.pop() + 10))
    assert saved == [3, 5, 6]
    saved.clear()
    run([Slope("a")], checkpoints=checkpoints, checkpoint_s=0)
    assert saved == [1, 2, 3, 4, 5, 6]


def test_only_the_first_process_writes_and_any_may_stop_all(tmp_path: Path) -> None:
    class Second(World):
        def agree(self, answer: bool) -> bool:
            return answer or next(votes) == 3

    votes = iter(range(1, 100))
    with pytest.raises(KeyboardInterrupt, match=r"^stopped after round 3 of 6$"):
        run([Slope("a")], checkpoints=store(tmp_path, "a"), checkpoint_s=0, world=Second(1, 2))
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_and_how_long_the_rest_takes_is_told(tmp_path: Path, clock: list[float]) -> None:
    """Of the rounds that are left to do, not of those that a checkpoint spared."""
    told: list[tuple[int, int, float]] = []

    def later(*_: object) -> None:
        clock[0] += 10

    run([Slope("a")], evaluate=later, on_round=lambda *facts: told.append(facts))
    assert told == [(done, 6, 10 * (6 - done)) for done in range(1, 7)]
    with pytest.raises(KeyboardInterrupt):
        run([Slope("a")], checkpoints=store(tmp_path, "a"), stop=stopping_after(3))
    told.clear()
    run([Slope("a")], evaluate=later, on_round=lambda *facts: told.append(facts), checkpoints=store(tmp_path, "a"))
    assert told == [(4, 6, 20), (5, 6, 10), (6, 6, 0)]


@pytest.mark.parametrize(("look_every", "evaluated"), [(1, 2), (4, 3), (100, 5)])
def test_a_loss_that_is_not_finite_ends_it_at_the_next_look(look_every: int, evaluated: int) -> None:
    """At the last round at the latest, and before an evaluation of spoiled weights."""
    done: list[int] = []
    message = r"^line a: expected finite losses, got nan in step 2; draw another$"
    with pytest.raises(MetricError, match=message):
        run([Slope("a")], poison=2, look_every=look_every, evaluate=lambda number, _: done.append(number))
    assert done == list(range(1, evaluated + 1))


def test_a_loss_that_is_not_finite_is_never_stored(tmp_path: Path) -> None:
    with pytest.raises(MetricError):
        run([Slope("a")], poison=2, look_every=100, checkpoints=store(tmp_path, "a"), checkpoint_s=0)
    assert run([Slope("a")], checkpoints=store(tmp_path, "a")) == [(n, ["a"]) for n in range(2, ROUNDS)]


def test_without_heads_there_is_nothing_to_do() -> None:
    assert run([]) == []


def test_checkpoints_are_where_a_folder_is_named(tmp_path: Path) -> None:
    assert checkpoints_in(None, None, "suite.training.loop") is None
    checkpoints = checkpoints_in(tmp_path, {"a": "these"}, "suite.training.loop")
    assert checkpoints is not None
    assert checkpoints.path(Slope("a")) == store(tmp_path, "a").path(Slope("a"))


def test_another_identity_or_other_code_is_another_checkpoint(tmp_path: Path) -> None:
    others = [
        Checkpoints(tmp_path, {"a": "those"}, "suite.training.loop"),
        Checkpoints(tmp_path, {"a": "these"}, "suite.errors"),
    ]
    paths = {checkpoints.path(Slope("a")) for checkpoints in (store(tmp_path, "a"), *others)}
    assert len(paths) == 3
