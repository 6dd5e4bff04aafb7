"""Learner of any head that is trained: an optimizer, the course of its training, and a state as tensors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite.training.course import Course


class Learner(ABC):
    """A head on its way: a kind of training adds how it takes a step.

    Attributes:
        name: unique in its bank.
        whose: kind and name, for messages, e.g. "probe linear".
        head: what is trained.
        optimizer: of all its parameters.
        rounds: of the training loop that it has done.
    """

    def __init__(self, kind: str, name: str, head: nn.Module, optimizer: Optimizer, *, remedy: str) -> None:
        """Begin.

        Args:
            kind: of head, for messages.
            name: see the class.
            head: see the class.
            optimizer: see the class.
            remedy: what to look at where a loss is not finite.
        """
        self.name, self.whose = name, f"{kind} {name}"
        self.head, self.optimizer = head, optimizer
        self.rounds = 0
        self._course = Course(self.whose, remedy)

    @property
    def device(self) -> torch.device:
        """Device on which it learns."""
        return next(self.head.parameters()).device

    @property
    @abstractmethod
    def facts(self) -> object:
        """Facts that its weights depend on besides what it learns from; anything that JSON can hold."""

    def losses(self) -> list[float]:
        """Return the loss of each step so far, as it was minimised.

        Raises:
            MetricError: one of them is not finite.
        """
        return self._course.losses()

    def accuracies(self) -> list[float]:
        """Return the share of each step's batch that was named rightly before the step; NaN where nobody counted.

        Raises:
            MetricError: a loss is not finite.
        """
        return self._course.accuracies()

    def losses_of_labelled(self) -> list[float]:
        """Return the loss of each step as a mean over what had a label; NaN where nothing had.

        Where the ignored count as 0, a loss goes up and down with what a batch happens to show.

        Raises:
            MetricError: one of them is not finite.
        """
        pairs = zip(self._course.losses(), self._course.labelled(), strict=True)
        return [loss / share if share else math.nan for loss, share in pairs]

    def state(self) -> dict[str, Tensor]:
        """Return all that the next round depends on, and the course so far.

        They are `head.NAME`, `optimizer.INDEX.NAME`, `losses`, `accuracies`, `labelled` and `rounds`.

        Raises:
            MetricError: a loss is not finite.
        """
        tensors = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        tensors["losses"] = torch.tensor(self.losses(), dtype=torch.float32)
        tensors["accuracies"] = torch.tensor(self.accuracies(), dtype=torch.float32)
        tensors["labelled"] = torch.tensor(self._course.labelled(), dtype=torch.float32)
        tensors["rounds"] = torch.tensor(self.rounds)
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state`; other names in it are left alone."""
        self.head.load_state_dict({name: tensors[f"head.{name}"] for name in self.head.state_dict()})
        saved = self.optimizer.state_dict()
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                index, moment = rest.split(".")
                saved["state"].setdefault(int(index), {})[moment] = value
        self.optimizer.load_state_dict(saved)
        self._course.restore(tensors["losses"], tensors["accuracies"], tensors["labelled"])
        self.rounds = int(tensors["rounds"])
