"""Was it trained to the end? Synthetic courses: flat, falling, noisy, risen, of no numbers, of one step."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from suite.judge.converged import Convergence, converged, of_cell
from suite.training.curve import curve, end_of
from suite.training.schedules import Cosine, Poly

STEPS = 400
TIMES = np.linspace(0, 1, STEPS)
COSINE = [Cosine(40, warmup_epochs=0).lr(1.0, step // 10) for step in range(STEPS)]
CONSTANT = [0.1] * STEPS
FELL = "in the last tenth its loss fell by"


def noisy(losses: np.ndarray, size: float, seed: int = 0) -> list[float]:
    return list(losses + size * np.random.default_rng(seed).standard_normal(len(losses)))


def spent(rates: list[float]) -> np.ndarray:
    return np.cumsum(rates) / np.sum(rates)


@pytest.mark.parametrize(
    ("losses", "rates", "not_converged", "reason"),
    [
        # at its average pace to the end: a tenth of the whole in each tenth
        (3 - spent(COSINE), COSINE, True, f"{FELL} 10.1 % of its whole fall"),
        (3 - TIMES, CONSTANT, True, f"{FELL} 10.3 % of its whole fall"),
        # learned out long before; what is left is less than half the average pace
        (3 - np.minimum(1, 4 * TIMES), CONSTANT, False, f"{FELL} 0.0 % of its whole fall"),
        (3 - spent(COSINE) ** 0.25, COSINE, False, f"{FELL} 3.8 % of its whole fall"),
        # flat from the first step, rising, or first up and then down
        (np.full(STEPS, 2.0), COSINE, False, "its loss ended no lower than it began"),
        (1 + TIMES, CONSTANT, False, "its loss ended no lower than it began"),
        (
            1 + np.minimum(TIMES, 1.7 - TIMES),
            CONSTANT,
            True,
            "its loss ended no lower than it began, and fell in the last tenth",
        ),
    ],
)
def test_courses_without_noise(losses: np.ndarray, rates: list[float], not_converged: bool, reason: str) -> None:
    answer = converged([end_of(list(losses), rates)])
    assert (answer.not_converged, answer.reason) == (not_converged, reason)
    assert (answer.share is None) == ("whole fall" not in reason)


def test_the_tenth_is_of_the_learning_rate_spent() -> None:
    """In the last tenth of a cosine's steps nothing moves any more, whatever is still to be learned."""
    end = end_of(list(3 - spent(COSINE)), COSINE)
    assert end is not None
    assert -end["slope"] / end["whole"] < 0.003
    assert end["fall"] / end["whole"] == pytest.approx(0.1, abs=0.005)
    line = [Poly(STEPS, 0).factor(step) for step in range(STEPS)]
    assert end_of(list(3 - spent(line)), line)["fall"] == pytest.approx(0.1, abs=0.001)  # type: ignore[index]


def test_what_noise_hides_cannot_be_told_and_seeds_bring_it_out() -> None:
    falling = 3 - spent(COSINE)
    alone = converged([end_of(noisy(falling, 0.5), COSINE)])
    assert alone.not_converged is None
    assert re.fullmatch(
        r"cannot be told: in the last tenth its loss fell by -?[\d.]+ % of its whole fall, give or take [\d.]+ %",
        alone.reason,
    )
    together = converged([end_of(noisy(falling, 0.5, seed), COSINE) for seed in range(30)])
    assert together.not_converged is True
    assert together.share == pytest.approx(0.1, abs=0.05)


def test_little_noise_around_a_loss_that_is_learned_out_hides_nothing() -> None:
    learned_out = 3 - 2 * np.minimum(1, 8 * TIMES)
    answers = [converged([end_of(noisy(learned_out, 0.05, k), COSINE)]).not_converged for k in range(40)]
    assert answers.count(False) == 40
    noisier = [converged([end_of(noisy(learned_out, 1.0, k), COSINE)]).not_converged for k in range(40)]
    assert noisier.count(True) <= 2, "two standard errors: one in forty of those that cannot be told"
    assert noisier.count(False) <= 2


def test_noise_around_nothing_learned_cannot_be_told() -> None:
    answers = {converged([end_of(noisy(np.full(STEPS, 2.0), 0.1, k), COSINE)]).not_converged for k in range(10)}
    assert None in answers


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (end_of([2.0], [0.1]), "cannot be told: too few steps"),
        (end_of([], []), "cannot be told: too few steps"),
        (end_of([2.0] * STEPS, [0.0] * STEPS), "cannot be told: too few steps"),
        (end_of([2.0] * 9 + [1.0], [0.1] * 10), "cannot be told: too few steps"),
        (end_of([math.nan] * STEPS, CONSTANT), "cannot be told: too few steps"),
        (end_of([math.nan] * 100 + [2.0] * 300, CONSTANT), "cannot be told: its losses are no numbers"),
    ],
)
def test_what_cannot_be_told(end: dict[str, float | None] | None, reason: str) -> None:
    assert converged([end]) == Convergence(None, None, reason)
    assert converged([]) == Convergence(None, None, "cannot be told: too few steps")


def test_one_seed_that_cannot_be_told_leaves_all_open() -> None:
    assert converged([end_of(list(3 - TIMES), CONSTANT), None]).not_converged is None


def test_a_curve_has_twenty_points_and_its_means() -> None:
    losses = [float(step) for step in range(40)]
    kept = curve(losses, [0.5] * 39 + [math.nan], [1.0] * 40, [(step, step / 2) for step in range(1, 41)])
    assert kept["steps"] == list(range(2, 41, 2))
    assert kept["losses"] == [2 * k + 0.5 for k in range(20)]
    assert kept["accuracies"] == [50.0] * 20
    assert len(kept["evaluations"]) == 20
    assert kept["evaluations"][-1] == [40, 20.0]
    names = ("steps", "losses", "accuracies", "evaluations", "evaluation_losses")
    assert curve([], [], [], []) == {name: [] for name in names} | {"end": None}
    assert curve([], [], [], [], [(1, 2.0000001), (2, math.nan), (3, 1.5)])["evaluation_losses"] == [[1, 2.0], [3, 1.5]]
    assert curve([1.0], [math.nan], [1.0], [])["accuracies"] == [None]


def training(**other: Any) -> dict[str, Any]:
    return curve(list(3 - TIMES), [0.25] * 200 + [0.75] * 200, CONSTANT, [(STEPS, 61.0)]) | other


def test_a_cell_tells_of_all_its_seeds() -> None:
    entry = of_cell([training(), training(evaluations=[[STEPS, 63.0]])])
    assert entry == {
        "not_converged": True,
        "share": pytest.approx(0.1031, abs=0.0005),
        "reason": f"{FELL} 10.3 % of its whole fall",
        "slope": pytest.approx(-0.0495, abs=0.0005),
        "loss": pytest.approx(2.0238, abs=0.0005),
        "train": 75.0,
        "evaluation": 62.0,
    }


def test_a_cell_of_an_older_result_says_that_nobody_can_tell() -> None:
    old = {"steps": [1, 2], "losses": [3.0, 2.0], "evaluations": []}
    assert of_cell([old]) == {
        **dict.fromkeys(("not_converged", "share", "slope", "train", "evaluation")),
        "reason": "cannot be told: too few steps",
        "loss": 2.0,
    }
