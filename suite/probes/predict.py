"""What fitted probes say of frozen tokens (official code, retrieval-classification/patch_lincls.py)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.errors import MetricError


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


def _place(head: nn.Module) -> tuple[torch.device, torch.dtype]:
    parameter = next(head.parameters())
    return parameter.device, parameter.dtype


def _smallest_batch(head: nn.Module) -> int:
    return int(getattr(head, "smallest_batch", 1))
