"""The one training loop: heads go through the same rounds side by side, each as if alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from suite.training.checkpoints import Checkpoints
from suite.training.distributed import ALONE, World
from suite.training.learner import Learner

L = TypeVar("L", bound=Learner)
OnRound = Callable[[int, int, float], None]
"""Callback of (rounds done, rounds in all, seconds left)."""


def train(
    learners: Sequence[L],
    rounds: int,
    step: Callable[[int, Sequence[L]], None],
    evaluate: Callable[[int, Sequence[L]], None],
    *,
    look_every: int,
    unit: str = "round",
    checkpoints: Checkpoints | None = None,
    checkpoint_s: float = 300.0,
    on_round: OnRound | None = None,
    stop: Callable[[], bool] = lambda: False,
    world: World = ALONE,
) -> None:
    """Train heads from where their checkpoints say to the end.

    A head whose checkpoint is ahead of the others' joins when they have caught up; one that is finished stays out.

    Args:
        learners: the heads.
        rounds: of each head.
        step: trains heads for a round, counted from 0.
        evaluate: called after each round with the number of those done and the heads that just reached it. Checkpoints
            at or beyond that number are written only once the call has returned; after a kill it may come again, never
            with other weights.
        look_every: rounds between looks at the losses, for which a GPU has to wait.
        unit: what a round is called.
        checkpoints: where heads go on from, and are stored; None for nowhere.
        checkpoint_s: seconds between them; 0 for one after each round.
        on_round: told how far it is.
        stop: asked after each round; True, in any process, ends the training.
        world: the processes that share each round; all call this alike.

    Raises:
        MetricError: a loss that is not finite.
        StorageError: a checkpoint cannot be written; older ones stay.
        KeyboardInterrupt: `stop` said so; checkpoints are written.
    """
    if checkpoints:
        for learner in learners:
            checkpoints.restore(learner)
    first = min((learner.rounds for learner in learners), default=rounds)
    began = saved = time.monotonic()
    for done in range(first + 1, rounds + 1):
        active = [learner for learner in learners if learner.rounds == done - 1]
        step(done - 1, active)
        for learner in active:
            learner.rounds = done
        if done % look_every == 0 or done == rounds:
            for learner in active:
                learner.losses()  # raises where one is not finite
        evaluate(done, active)
        stopping = world.agree(stop())
        due = stopping or done == rounds or time.monotonic() - saved >= checkpoint_s
        if checkpoints and due and world.rank == 0:
            for learner in active:
                checkpoints.save(learner)
            saved = time.monotonic()
        if on_round:
            on_round(done, rounds, (time.monotonic() - began) / (done - first) * (rounds - done))
        if stopping and done < rounds:
            raise KeyboardInterrupt(f"stopped after {unit} {done} of {rounds}")
