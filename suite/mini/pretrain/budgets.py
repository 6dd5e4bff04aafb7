"""Length and speed of each miniature's training: fixed before any claim was looked at.

Steps were set from measured throughput alone, so that all seven together take under two hours on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from suite.errors import unknown


@dataclass(frozen=True)
class Budget:
    """One run's length and optimizer.

    Attributes:
        steps: optimizer steps.
        batch: images a step (each seen in as many views as the method takes).
        lr: peak of a cosine schedule, reached after `warmup` steps.
        weight_decay: AdamW's, on matrices only.
        warmup: steps of linear warm-up.
        ema: constant momentum of the teacher or momentum encoder; 0 where there is none.
    """

    steps: int
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 60
    ema: float = 0.0

    def scaled(self, steps: int) -> Budget:
        """Return the same budget over another number of steps, with a warm-up that still fits."""
        return replace(self, steps=steps, warmup=min(self.warmup, max(steps // 10, 1)))


BUDGETS = {
    "deit": Budget(steps=1000),
    "mocov3": Budget(steps=850, ema=0.97),
    "dino": Budget(steps=850, ema=0.97),
    "beit": Budget(steps=1000, lr=1e-3),
    "mae": Budget(steps=2600),
    "cae": Budget(steps=900, lr=1e-3),
    "ibot": Budget(steps=800, ema=0.97),
}


def budget(method: str, steps: int | None = None) -> Budget:
    """Return the budget of a method, over `steps` steps if given.

    Raises:
        RequestError: no such method.
    """
    if method not in BUDGETS:
        raise unknown("method to pretrain", method, list(BUDGETS))
    return BUDGETS[method] if steps is None else BUDGETS[method].scaled(steps)
