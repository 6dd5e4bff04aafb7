from __future__ import annotations

import pytest
import torch

from suite.errors import MetricError
from suite.training.losses import Losses


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
