from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.errors import MetricError
from suite.training.state import Losses, restore_state, state_of


def test_losses_are_kept_in_order_and_read_when_asked_for():
    losses = Losses("head a", "look at the labels")
    losses.restore(torch.tensor([4.0]))
    losses.add(torch.tensor(3.0, requires_grad=True))
    assert len(losses) == 2
    assert losses.values() == [4, 3]
    losses.add(torch.tensor(2.0))
    assert losses.values() == [4, 3, 2]


def test_the_first_loss_that_is_not_finite_is_told_with_its_step():
    losses = Losses("head a", "look at the labels")
    for value in (1.0, 2.0, torch.inf, torch.nan):
        losses.add(torch.tensor(value))
    with pytest.raises(MetricError, match=r"^head a: .* got inf in step 2; look at the labels$"):
        losses.values()


def test_a_head_goes_on_from_its_state_with_the_same_bits():
    def trained(head: nn.Linear, optimizer: torch.optim.Optimizer, steps: range) -> nn.Linear:
        for step in steps:
            optimizer.zero_grad()
            head(torch.full((2, 3), 1.0 + step)).square().sum().backward()
            optimizer.step()
        return head

    def fresh(seed: int) -> tuple[nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(seed)
        head = nn.Linear(3, 2)
        return head, torch.optim.AdamW(head.parameters(), lr=0.1)

    whole = trained(*fresh(0), range(5))
    head, optimizer = fresh(0)
    trained(head, optimizer, range(2))
    state = {name: value.clone() for name, value in state_of(head, optimizer).items()}
    other, its_optimizer = fresh(1)
    restore_state(other, its_optimizer, state | {"losses": torch.zeros(2)})
    trained(other, its_optimizer, range(2, 5))
    assert torch.equal(other.weight, whole.weight)
    assert torch.equal(other.bias, whole.bias)
