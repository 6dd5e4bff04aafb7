"""Learning rates over a training, as the official code has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from suite.protocol.constants import constant

POLY_POWER: float = constant("segmentation", "poly_power")
WARMUP_RATIO: float = constant("segmentation", "warmup_ratio")


@dataclass(frozen=True)
class Cosine:
    """A cosine after a linear warm-up, in epochs: probes.

    Source: code of CAE, linear_util/lr_sched.py; MoCo's where there is no warm-up.

    Attributes:
        epochs: in all.
        warmup_epochs: of a line from 0 to the peak.
        final_lr: what the cosine ends in.
        per_step: the rate follows every step; else it is that of the epoch's begin.
    """

    epochs: int
    warmup_epochs: int = constant("probes", "warmup_epochs")
    final_lr: float = constant("probes", "final_lr")
    per_step: bool = False

    def lr(self, peak: float, epoch: float) -> float:
        """Return the rate at a time, in epochs from 0."""
        now = epoch if self.per_step else math.floor(epoch)
        if now < self.warmup_epochs:
            return peak * now / self.warmup_epochs
        share = (now - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.final_lr + (peak - self.final_lr) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Poly:
    """A power of what is left of the training, lowered further in a linear warm-up, in steps: segmentation.

    Source: official code, segmentation/configs_local, `lr_config`; mmcv's poly policy.

    Attributes:
        iterations: steps in all.
        warmup: steps of the linear warm-up, which multiplies the decaying rate.
    """

    iterations: int
    warmup: int

    def factor(self, step: int) -> float:
        """Return the factor of the learning rate in a step, counted from 0."""
        decayed: float = (1 - step / self.iterations) ** POLY_POWER
        if step >= self.warmup:
            return decayed
        return decayed * (1 - (1 - step / self.warmup) * (1 - WARMUP_RATIO))
