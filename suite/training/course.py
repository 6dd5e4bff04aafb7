"""The course of a training: of every step the loss, and how much of its batch counted and was named rightly before."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.errors import MetricError


class Course:
    """Loss, training accuracy and labelled share of each step so far.

    They stay on the device until they are asked for: reading one makes it wait.
    """

    def __init__(self, whose: str, remedy: str) -> None:
        """Remember what an error will say.

        Args:
            whose: the head's name.
            remedy: what to look at where a loss is not finite.
        """
        self._whose, self._remedy = whose, remedy
        self._losses: list[float] = []
        self._accuracies: list[float] = []
        self._labelled: list[float] = []
        self._unread: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._losses) + len(self._unread)

    def add(self, loss: Tensor, accuracy: Tensor | None = None, labelled: Tensor | None = None) -> None:
        """Add one more step.

        Args:
            loss: (), as it was minimised.
            accuracy: (), a fraction, NaN where nothing was labelled; None where nobody counts.
            labelled: (), share of the batch that has a label; None for all of it.
        """
        loss = loss.detach()
        accuracy = torch.full_like(loss, torch.nan) if accuracy is None else accuracy
        self._unread.append((loss, accuracy, torch.ones_like(loss) if labelled is None else labelled))

    def losses(self) -> list[float]:
        """Return the loss of each step.

        Raises:
            MetricError: one of those that are new is not finite.
        """
        self._read()
        return self._losses

    def accuracies(self) -> list[float]:
        """Return the training accuracy of each step, as `losses`."""
        self._read()
        return self._accuracies

    def labelled(self) -> list[float]:
        """Return the share of each step's batch that had a label, as `losses`."""
        self._read()
        return self._labelled

    def restore(self, losses: Tensor, accuracies: Tensor, labelled: Tensor) -> None:
        """Go on from other ones, (S,) each."""
        self._losses, self._accuracies, self._labelled = losses.tolist(), accuracies.tolist(), labelled.tolist()
        self._unread.clear()

    def _read(self) -> None:
        if not self._unread:
            return
        losses, accuracies, labelled = (torch.stack(part).float().cpu() for part in zip(*self._unread, strict=True))
        before = len(self._losses)
        self._losses += losses.tolist()
        self._accuracies += accuracies.tolist()
        self._labelled += labelled.tolist()
        self._unread.clear()
        if not losses.isfinite().all():
            first = before + int((~losses.isfinite()).nonzero()[0])
            raise MetricError(
                f"{self._whose}: expected finite losses, got {self._losses[first]} in step {first}; {self._remedy}"
            )
