"""Fitting probes to frozen tokens: SGD with momentum, a cosine per epoch, no augmentation.

Source: paper, section 4.2; official code, retrieval-classification/patch_lincls.py. Deviates: one process holds the
whole batch, where the official code splits it over GPUs and normalises on each apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.errors import MetricError

Order = torch.Generator | Tensor | NDArray[np.integer[Any]] | None
"""Where the order of the items comes from; see `fit_probes`."""


def cosine_lr(lr: float, epoch: int, epochs: int) -> float:
    """Learning rate of an epoch, counted from 0: lr * 0.5 * (1 + cos(pi * epoch / epochs)); no warm-up."""
    return lr * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def fit_probe(
    head: nn.Module,
    tokens: Tensor,
    labels: Tensor,
    *,
    lr: float,
    epochs: int,
    batch_size: int,
    momentum: float = 0.9,
    order: Order = None,
    after_epoch: Callable[[int], None] | None = None,
) -> list[float]:
    """Fit one head; `fit_probes` says what the arguments mean. Returns the loss of each step."""
    fitted = fit_probes(
        {"head": head},
        tokens,
        labels,
        lr={"head": lr},
        epochs=epochs,
        batch_size=batch_size,
        momentum=momentum,
        order=order,
        after_epoch=after_epoch,
    )
    return fitted["head"]


def fit_probes(
    heads: Mapping[str, nn.Module],
    tokens: Tensor,
    labels: Tensor,
    *,
    lr: Mapping[str, float],
    epochs: int,
    batch_size: int,
    momentum: float = 0.9,
    order: Order = None,
    after_epoch: Callable[[int], None] | None = None,
) -> dict[str, list[float]]:
    """Fit several heads side by side over one pass through the tokens; each ends as it would alone.

    Args:
        heads: what to fit, in place, each on its device; in train mode while fitted, left in eval mode.
        tokens: (N, 1 + n, D) any floating type, anywhere; a batch at a time goes to the heads.
        labels: (N,) integers in [0, C).
        lr: of the first epoch, per head, as the optimizer sees it.
        epochs: passes over the tokens.
        batch_size: items a step. The last batch of an epoch may be smaller; a head with batch norm passes over a
            last batch of one item, which has no statistics.
        momentum: of SGD; no Nesterov, no weight decay.
        order: None shuffles each epoch by a generator of seed 0, a CPU generator by that one; or the order itself,
            (epochs, N) or (N,) for all epochs.
        after_epoch: called with the number of each finished epoch, the heads in eval mode.

    Returns:
        The cross-entropy of each step (mean over its batch), per head.

    Raises:
        MetricError: nothing to fit on, mismatched shapes, an order that is none, or a loss that is not finite.
    """
    labels = _checked(tokens, labels, epochs, batch_size)
    optimizers = {
        name: torch.optim.SGD(head.parameters(), lr=lr[name], momentum=momentum) for name, head in heads.items()
    }
    losses: dict[str, list[Tensor]] = {name: [] for name in heads}
    for epoch, indices in enumerate(_orders(order, epochs, len(tokens))):
        for name, head in heads.items():
            head.train()
            optimizers[name].param_groups[0]["lr"] = cosine_lr(lr[name], epoch, epochs)
        for batch in indices.split(batch_size):
            inputs = tokens.index_select(0, batch.to(tokens.device))  # four times faster than tokens[batch]
            truth = labels[batch.to(labels.device)]
            for name, head in heads.items():
                if len(batch) >= _smallest_batch(head):
                    losses[name].append(_step(head, optimizers[name], inputs, truth))
        for head in heads.values():
            head.eval()
        if after_epoch:
            after_epoch(epoch)
    return {name: _finite(name, steps) for name, steps in losses.items()}


@torch.no_grad()
def predict(head: nn.Module, tokens: Tensor, *, batch_size: int = 256) -> Tensor:
    """Logits of all items, in their order, from a head in eval mode.

    Args:
        head: fitted; put in eval mode.
        tokens: (N, 1 + n, D).
        batch_size: items a batch. An attentive head normalises by the statistics of each, in sequence (official code:
            256), so there it is part of the protocol. A last batch of one item, on which the official code fails,
            joins the batch before it.

    Returns:
        (N, C) float32 logits, on the CPU.

    Raises:
        MetricError: no items, or a single one for a head that needs the statistics of a batch.
    """
    head.eval()
    device, dtype = _place(head)
    batches = list(tokens.split(batch_size))
    if not len(tokens) or len(tokens) < _smallest_batch(head):
        raise MetricError(f"tokens: expected at least {_smallest_batch(head)} items to predict, got {len(tokens)}")
    if len(batches) > 1 and len(batches[-1]) < _smallest_batch(head):
        batches[-2:] = [tokens[-len(batches[-1]) - len(batches[-2]) :]]
    return torch.cat([head(batch.to(device, dtype)).float().cpu() for batch in batches])


def _step(head: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, truth: Tensor) -> Tensor:
    device, dtype = _place(head)
    loss = F.cross_entropy(head(inputs.to(device, dtype)), truth.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _place(head: nn.Module) -> tuple[torch.device, torch.dtype]:
    parameter = next(head.parameters())
    return parameter.device, parameter.dtype


def _smallest_batch(head: nn.Module) -> int:
    return int(getattr(head, "smallest_batch", 1))


def _orders(order: Order, epochs: int, count: int) -> Iterator[Tensor]:
    """(N,) indices of each epoch."""
    if order is None or isinstance(order, torch.Generator):
        generator = order or torch.Generator().manual_seed(0)
        return (torch.randperm(count, generator=generator) for _ in range(epochs))
    given = torch.as_tensor(order).cpu().long()
    if given.shape not in {(count,), (epochs, count)}:
        raise MetricError(f"order: expected shape ({epochs}, {count}) or ({count},), got {tuple(given.shape)}")
    given = given.expand(epochs, count)
    if not torch.equal(given.sort(dim=1).values, torch.arange(count).expand(epochs, count)):
        raise MetricError(f"order: expected every row to hold each of 0..{count - 1} once")
    return iter(given)


def _checked(tokens: Tensor, labels: Tensor, epochs: int, batch_size: int) -> Tensor:
    if tokens.ndim != 3 or not tokens.numel():
        raise MetricError(f"tokens: expected shape (N, 1 + n, D) and at least one item, got {tuple(tokens.shape)}")
    labels = torch.as_tensor(labels).long()
    if labels.shape != (len(tokens),):
        raise MetricError(f"labels: expected shape ({len(tokens)},), one per item, got {tuple(labels.shape)}")
    if epochs < 1 or batch_size < 1:
        raise MetricError(f"probe: expected at least 1 epoch and 1 item a batch, got {epochs} and {batch_size}")
    return labels


def _finite(name: str, steps: list[Tensor]) -> list[float]:
    if not steps:
        raise MetricError(f"probe {name!r}: expected batches of at least 2 items for batch norm, got batches of 1")
    losses: list[float] = torch.stack(steps).tolist()
    bad = next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if bad is not None:
        raise MetricError(
            f"probe {name!r}: expected a finite loss, got {losses[bad]} in step {bad}; lower lr, look at tokens"
        )
    return losses
