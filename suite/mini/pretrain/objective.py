"""Interface of every miniature to the training loop."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from suite.mini.pretrain.vit import Trunk

Signals = dict[str, Tensor]


class Objective(nn.Module, ABC):
    """A method: its encoder, its heads and its loss.

    Attributes:
        encoder: the trunk that is trained.
        views: augmented views of each image that `loss` takes.
        colour: whether views also change colours.
    """

    encoder: Trunk
    views: int = 1
    colour: bool = False

    @abstractmethod
    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the training loss and named scalars worth watching.

        Args:
            views: `self.views` tensors (B, 3, H, W), normalised.
            labels: (B,); only the supervised method may read them.
        """

    @property
    def shipped(self) -> Trunk:
        """The trunk that evaluations read: the teacher where the release's default is the teacher."""
        return self.encoder

    def before_update(self, step: int) -> None:
        """Act between backward pass and optimizer step."""

    def after_update(self) -> None:
        """Act after the optimizer step."""


@contextlib.contextmanager
def frozen_statistics(head: nn.Module) -> Iterator[None]:
    """Have batch norms inside normalise by the batch as always but leave their running statistics alone.

    Heads see class tokens, mean tokens and patches one after the other; the statistics that are saved must be those
    of class tokens, which is what a projector is given afterwards.
    """
    norms = [module for module in head.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def apply_to_both(head: nn.Module, cls: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Apply the head to class tokens and to mean patch tokens, running statistics from the former only."""
    on_cls = head(cls)
    with frozen_statistics(head):
        on_mean = head(mean)
    return on_cls, on_mean


def entropy(probabilities: Tensor) -> Tensor:
    """Return the mean entropy of rows (B, K), nats."""
    return torch.special.entr(probabilities).sum(-1).mean()
