"""Predictions of fitted probes from frozen tokens (official code, retrieval-classification/patch_lincls.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from suite.errors import MetricError


@torch.no_grad()
def predict(
    head: nn.Module, tokens: Tensor, *, batch_size: int = 256, batches: Sequence[Tensor] | None = None
) -> Tensor:
    """Return logits of all items, in their order, from a head in eval mode.

    Args:
        head: fitted; put in eval mode.
        tokens: (N, 1 + n, D).
        batch_size: items a batch. An attentive head normalises by the statistics of each, in sequence (official code:
            256), so there it is part of the protocol. A batch of one item, on which the official code fails, joins
            the batch before it.
        batches: the items of each batch, in place of `batch_size`; see `evaluation_batches`. Of an item that is in
            several, the first one's logits count.

    Returns:
        (N, C) float32 logits, on the CPU.

    Raises:
        MetricError: no items, or a single one for a head that needs the statistics of a batch.
    """
    head.eval()
    device, dtype = _place(head)
    if not len(tokens) or len(tokens) < _smallest_batch(head):
        raise MetricError(f"tokens: expected at least {_smallest_batch(head)} items to predict, got {len(tokens)}")
    groups: list[Tensor] = []
    for batch in evaluation_batches(len(tokens), batch_size) if batches is None else batches:
        if groups and len(batch) < _smallest_batch(head):
            groups[-1] = torch.cat([groups[-1], batch])
        else:
            groups.append(batch)
    logits = torch.cat([head(tokens[batch].to(device, dtype)).float().cpu() for batch in groups])
    order = torch.cat(groups)
    first = torch.full((len(tokens),), len(order)).scatter_reduce_(0, order, torch.arange(len(order)), "amin")
    return logits[first]


def evaluation_batches(items: int, batch_size: int, stride: int = 1) -> list[Tensor]:
    """Return the items of each evaluation batch, as ranks that stride over a list see them.

    Rank r of `stride` takes the items r, r + stride, r + 2 stride ..., in batches of `batch_size`, the last of which is
    smaller; the list is filled up from its beginning to a multiple of the stride, so some items come twice. In a list
    sorted by class a batch then spans many classes, which is what statistics of a batch are taken over. Where there are
    fewer items than `stride` batches there are fewer ranks.

    Args:
        items: N, one or more.
        batch_size: items a batch.
        stride: ranks.

    Returns:
        Batches rank by rank, each (b,) int64; together they hold every item.

    Source: code of CAE, tools/run_attentive.py; torch.utils.data.DistributedSampler(shuffle=False).
    """
    ranks = min(stride, max(1, items // batch_size))
    filled = torch.arange(-(-items // ranks) * ranks) % items
    return [batch for rank in range(ranks) for batch in filled[rank::ranks].split(batch_size)]


def _place(head: nn.Module) -> tuple[torch.device, torch.dtype]:
    parameter = next(head.parameters())
    return parameter.device, parameter.dtype


def _smallest_batch(head: nn.Module) -> int:
    return int(getattr(head, "smallest_batch", 1))
