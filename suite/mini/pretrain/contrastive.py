"""MoCo v3: contrast two views against the batch, keys from a momentum encoder (Chen et al., 2021).

lightly's `NTXentLoss` also counts query-query pairs as negatives; MoCo v3 (moco/builder.py, `contrastive_loss`)
contrasts queries with keys only, which is written out below.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from lightly.models.modules.heads import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn

from suite.mini.pretrain.objective import Objective, Signals, apply_to_both
from suite.mini.pretrain.vit import DIM, Trunk, encode, pooled

HIDDEN, OUT = 512, 128
TEMPERATURE = 0.2


def mlp(dim: int, layers: int) -> nn.Module:
    """Build MoCo v3's `_build_mlp`: bias-free linears with batch norm, the last one without affine."""
    head = MoCoProjectionHead(dim, HIDDEN, OUT, num_layers=layers, batch_norm=True)
    head.layers[-1] = nn.BatchNorm1d(OUT, affine=False)
    return head


class MomentumContrast(Objective):
    """Encoder, projector and predictor against their slow copies.

    Args:
        encoder: trunk to train.
        ema: momentum of the copies, constant.
    """

    views = 2
    colour = True

    def __init__(self, encoder: Trunk, ema: float) -> None:
        super().__init__()
        self.ema = ema
        self.encoder, self.projector, self.predictor = encoder, mlp(DIM, 3), mlp(OUT, 2)
        self.momentum_encoder = copy.deepcopy(encoder)
        self.momentum_projector = copy.deepcopy(self.projector)
        deactivate_requires_grad(self.momentum_encoder)
        deactivate_requires_grad(self.momentum_projector)

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the symmetrised InfoNCE with in-batch negatives, on class and mean patch tokens."""
        all_views = torch.cat(views)
        queries = apply_to_both(self.projector, *pooled(encode(self.encoder, all_views)))
        queries = apply_to_both(self.predictor, *queries)
        with torch.no_grad():
            keys = apply_to_both(self.momentum_projector, *pooled(encode(self.momentum_encoder, all_views)))
        losses, accuracies = zip(*map(contrast, queries, keys), strict=True)
        return torch.stack(losses).mean(), {"accuracy": accuracies[0], "accuracy_mean_token": accuracies[1]}

    def after_update(self) -> None:
        """Move the slow copies."""
        update_momentum(self.encoder, self.momentum_encoder, m=self.ema)
        update_momentum(self.projector, self.momentum_projector, m=self.ema)


def contrast(queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return InfoNCE of each view against the other, and how often the right key of the batch is the nearest.

    Args:
        queries: (2B, P), the first view's rows before the second's.
        keys: (2B, P), likewise.
    """
    queries, keys = F.normalize(queries.float(), dim=1), F.normalize(keys.float(), dim=1)
    B = len(queries) // 2
    target = torch.arange(B, device=queries.device)
    logits = torch.cat([queries[:B] @ keys[B:].T, queries[B:] @ keys[:B].T]) / TEMPERATURE
    target = target.repeat(2)
    return F.cross_entropy(logits, target), (logits.argmax(1) == target).float().mean()
