"""The losses of a training."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.errors import MetricError


class Losses:
    """The loss of each step so far. They stay on the device until they are asked for: reading one makes it wait."""

    def __init__(self, whose: str, remedy: str) -> None:
        """Remember what an error will say.

        Args:
            whose: the head's name.
            remedy: what to look at where a loss is not finite.
        """
        self._whose, self._remedy = whose, remedy
        self._known: list[float] = []
        self._unread: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._known) + len(self._unread)

    def add(self, loss: Tensor) -> None:
        """Add one more step."""
        self._unread.append(loss.detach())

    def values(self) -> list[float]:
        """Return all of them.

        Raises:
            MetricError: one of those that are new is not finite.
        """
        if self._unread:
            fresh = torch.stack(self._unread).cpu()
            before = len(self._known)
            self._known += fresh.tolist()
            self._unread.clear()
            if not fresh.isfinite().all():
                first = before + int((~fresh.isfinite()).nonzero()[0])
                raise MetricError(
                    f"{self._whose}: expected finite losses, got {self._known[first]} in step {first}; {self._remedy}"
                )
        return self._known

    def restore(self, values: Tensor) -> None:
        """Go on from other ones."""
        self._known, self._unread = values.tolist(), []
