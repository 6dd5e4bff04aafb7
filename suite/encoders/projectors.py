"""Projectors that come with an encoder: the paper's "projected" representation (section 3.2).

They act on the normed class token and are used as stored: batch norm with running statistics, no softmax.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from suite.errors import CheckpointError
from suite.protocol.constants import constant

NORM_EPS: float = constant("projectors", "batch_norm_eps")
UNIT_EPS: float = constant("projectors", "unit_eps")


class PrototypeHead(nn.Module):
    """DINO's and iBOT's head: a 3-layer MLP, L2 normalisation, scores against prototypes.

    Source: dino `vision_transformer.py` `DINOHead`; ibot `models/head.py` (class token's branch).
    """

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.last_layer = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, D) to (B, prototypes) scores."""
        return self.last_layer(F.normalize(self.mlp(tokens), dim=-1, eps=UNIT_EPS))


def batch_norm_mlp(width: int, hidden: int, out: int) -> nn.Sequential:
    """Build MoCo v3's projector, before its predictor.

    Source: moco-v3 `moco/builder.py` `_build_mlp`.
    """
    return nn.Sequential(
        nn.Linear(width, hidden, bias=False),
        nn.BatchNorm1d(hidden, eps=NORM_EPS),
        nn.ReLU(),
        nn.Linear(hidden, hidden, bias=False),
        nn.BatchNorm1d(hidden, eps=NORM_EPS),
        nn.ReLU(),
        nn.Linear(hidden, out, bias=False),
        nn.BatchNorm1d(out, eps=NORM_EPS, affine=False),
    )


def build_projector(kind: str, tensors: Mapping[str, Tensor], location: str) -> nn.Module:
    """Build an untrained projector of the sizes that `tensors` (named as in the module) have.

    Args:
        kind: "batch_norm_mlp" or "prototypes".
        tensors: with weight norm already merged.
        location: starts the message of an error.

    Raises:
        CheckpointError: a weight matrix is missing.
    """
    names = {
        "batch_norm_mlp": ("0.weight", "6.weight"),
        "prototypes": ("mlp.0.weight", "mlp.4.weight", "last_layer.weight"),
    }[kind]
    missing = [name for name in names if name not in tensors or tensors[name].ndim != 2]
    if missing:
        raise CheckpointError(f"{location}: missing {', '.join(missing)}: not a whole projector")
    shapes = [tensors[name].shape for name in names]
    sizes = (shapes[0][1], *(shape[0] for shape in shapes))
    return batch_norm_mlp(*sizes) if kind == "batch_norm_mlp" else PrototypeHead(*sizes)


def merge_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Merge a last layer stored as gain (n, 1) and direction (n, m) into its weight = g * v / |v| by row.

    Source: `torch.nn.utils.weight_norm`, in which dino and ibot wrap the layer.
    """
    merged = dict(tensors)
    parts = [tensors.get(f"last_layer.weight_{part}") for part in "gv"]
    if all(part is not None and part.ndim == 2 for part in parts):
        gain, direction = (merged.pop(f"last_layer.weight_{part}").float() for part in "gv")
        merged["last_layer.weight"] = gain * direction / direction.norm(dim=1, keepdim=True)
    return merged
