"""Attentive probe: a learned query attends to all tokens, then batch norm and one linear layer.

There is one query, so keys and values are never made per token: the key layer is folded into the query and the
value layer is applied to what the query has gathered. The result is the same, the cost a small fraction.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suite.errors import RequestError
from suite.probes.linear import classifier
from suite.protocol.constants import constant

Statistics = Literal["batch", "running"]
Initial = Literal["paper", "cae"]
_EPSILON: float = constant("attentive_probes", "layer_norm_eps")
_BATCH_EPS: float = constant("attentive_probes", "batch_norm_eps")
_BATCH_MOMENTUM: float = constant("attentive_probes", "batch_norm_momentum")
_STD: float = constant("attentive_probes", "initial_std")
_CUT: float = constant("attentive_probes", "cut_at_std") * _STD
_CAE_CUT: float = constant("cae_probes", "attention_cut_at_std") * _STD


class AttentiveHead(nn.Module):
    """Logits from one learned query's cross-attention over all tokens; no residual, no MLP.

    Source: official code, retrieval-classification/patch_lincls.py (after CAE): separate layer norms of query, keys
    and values, biases for query and value only, scale head_dim^-0.5. Its fourth, unused layer norm is left out.
    Batch norm without affine; the official one normalises by the statistics of the batch at evaluation too.
    CAE's own code (models/modeling_finetune.py, which tools/run_attentive.py trains) has the same head and other first
    weights: `query_token` is zero, and the attention's are a normal that nothing cuts.
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        *,
        num_heads: int = 12,
        eval_statistics: Statistics = "batch",
        initial: Initial = "paper",
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw the weights.

        Args:
            embed_dim: D, width of the tokens.
            num_classes: C.
            num_heads: heads of the attention; divides D.
            eval_statistics: what batch norm uses in eval mode: those of the "batch", as published, or the "running"
                ones gathered in training.
            initial: whose first weights.
            generator: source of the weights; None for torch's global one.

        Raises:
            RequestError: heads that do not divide the width, or unknown statistics.
        """
        if num_heads < 1 or embed_dim % num_heads:
            raise RequestError(f"attentive head: expected heads that divide the width {embed_dim}, got {num_heads}")
        if eval_statistics not in get_args(Statistics):
            raise RequestError(
                f"attentive head: expected eval_statistics 'batch' or 'running', got {eval_statistics!r}"
            )
        super().__init__()
        self.num_heads = num_heads
        self.eval_statistics = eval_statistics
        by_cae = initial == "cae"
        self.query = nn.Parameter(torch.zeros(1, 1, embed_dim))
        if not by_cae:
            _truncated(self.query, generator)
        self.norm_q, self.norm_k, self.norm_v = (nn.LayerNorm(embed_dim, eps=_EPSILON) for _ in range(3))
        self.q, self.k, self.v, self.proj = (
            _projection(embed_dim, bias, generator, _CAE_CUT if by_cae else _CUT) for bias in (True, False, True, True)
        )
        self.bn = nn.BatchNorm1d(embed_dim, affine=False, eps=_BATCH_EPS, momentum=_BATCH_MOMENTUM)
        self.fc = classifier(embed_dim, num_classes, generator)

    @property
    def smallest_batch(self) -> int:
        """Smallest batch: 2 where the batch's own statistics are used, since one item has none."""
        return 2 if self.training or self.eval_statistics == "batch" else 1

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, 1 + n, D) tokens to (B, C) logits."""
        return self.classify(self.pool(tokens))

    def pool(self, tokens: Tensor) -> Tensor:
        """Pool (B, 1 + n, D) tokens to (B, D); an item's does not depend on the others of its batch."""
        return self.proj(self._attend(tokens))

    def classify(self, pooled: Tensor) -> Tensor:
        """Map (B, D) to (B, C) logits; batch norm ties the items of a batch together."""
        return self.fc(self._normalise(pooled))

    def _attend(self, tokens: Tensor) -> Tensor:
        """Return (B, D): each head's mean of the values, weighted by attention.

        With x a token normalised without scale and shift, logit = q . W_k (g_k x + b_k), linear in x; and since the
        weights a sum to 1, sum of a W_v (g_v x + b_v) = W_v (g_v (sum of a x) + b_v).
        """
        width = tokens.shape[2]
        heads = (self.num_heads, width // self.num_heads)
        query = self.q(self.norm_q(self.query)).view(heads) * heads[1] ** -0.5
        folded = torch.einsum("hd,hdw->hw", query, self.k.weight.view(*heads, width))
        x = F.layer_norm(tokens, (width,), eps=_EPSILON)
        logits = (folded * self.norm_k.weight) @ x.mT + (folded @ self.norm_k.bias)[:, None]
        gathered = logits.softmax(dim=2) @ x * self.norm_v.weight + self.norm_v.bias
        values = torch.einsum("bhw,hdw->bhd", gathered, self.v.weight.view(*heads, width))
        return values.flatten(1) + self.v.bias

    def _normalise(self, pooled: Tensor) -> Tensor:
        """Apply batch norm; evaluation by batch statistics leaves the running ones alone."""
        if self.training or self.eval_statistics == "running":
            return self.bn(pooled)
        return F.batch_norm(pooled, None, None, training=True, eps=self.bn.eps)


def _projection(width: int, bias: bool, generator: torch.Generator | None, cut: float) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, width, width, bias=bias)
    _truncated(layer.weight, generator, cut)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def _truncated(weight: Tensor, generator: torch.Generator | None, cut: float = _CUT) -> Tensor:
    """Draw from N(0, 0.02), cut at one std (official code: `trunc_normal_(std=std, a=-std, b=std)`) or at `cut`."""
    return nn.init.trunc_normal_(weight, std=_STD, a=-cut, b=cut, generator=generator)
