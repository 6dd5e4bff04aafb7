"""The smallest head that learns, for the tests of the training loop."""

from __future__ import annotations

import torch
from torch import nn

from suite.training.learner import Learner


class Slope(Learner):
    """A line through a point, whose loss is what it says there."""

    head: nn.Linear

    def __init__(self, name: str, *, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            head = nn.Linear(3, 2)
        super().__init__("line", name, head, torch.optim.AdamW(head.parameters(), lr=0.1), remedy="draw another")

    @property
    def facts(self) -> object:
        return ["line", self.name]

    def learn(self, value: float) -> None:
        self.optimizer.zero_grad()
        loss = self.head(torch.full((2, 3), value)).square().sum()
        loss.backward()
        self.optimizer.step()
        self._course.add(loss)
