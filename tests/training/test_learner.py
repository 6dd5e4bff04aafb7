from __future__ import annotations

import torch

from tests.support.learners import Slope


def trained(learner: Slope, steps: range) -> Slope:
    for step in steps:
        learner.learn(1.0 + step)
    return learner


def test_a_head_goes_on_from_its_state_with_the_same_bits():
    whole, first = trained(Slope("a", seed=0), range(5)), trained(Slope("a", seed=0), range(2))
    first.rounds = 2
    state = {name: value.clone() for name, value in first.state().items()}
    other = Slope("a", seed=1)
    other.restore(state | {"accuracy": torch.zeros(2)})
    assert other.rounds == 2
    assert other.losses() == first.losses()
    trained(other, range(2, 5))
    assert torch.equal(other.head.weight, whole.head.weight)
    assert torch.equal(other.head.bias, whole.head.bias)
    assert other.losses() == whole.losses()


def test_a_state_names_everything_the_next_round_depends_on():
    assert sorted(trained(Slope("a"), range(1)).state()) == [
        *("accuracies", "head.bias", "head.weight", "labelled", "losses"),
        *(f"optimizer.{index}.{moment}" for index in (0, 1) for moment in ("exp_avg", "exp_avg_sq", "step")),
        "rounds",
    ]


def test_it_learns_where_its_head_is():
    assert Slope("a").device == torch.device("cpu")
    learner = Slope("a")
    learner.head.to("meta")
    assert learner.device == torch.device("meta")
