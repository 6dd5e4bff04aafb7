"""One vision transformer for all releases: timm's modules, the releases' own positions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from timm.models.beit import Beit, RelativePositionBias, gen_relative_position_index
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from suite.encoders import positions
from suite.encoders.encoder import Encoder
from suite.encoders.method import Method
from suite.errors import CheckpointError

_BIAS_TABLE = "rel_pos_bias.relative_position_bias_table"


@dataclass(frozen=True)
class Architecture:
    """Sizes of a ViT with square patches on a square image, pixels."""

    image_size: int
    patch_size: int
    embed_dim: int
    depth: int
    mlp_ratio: float = 4.0

    @property
    def num_heads(self) -> int:
        """Heads are 64 wide, as in every ViT-B; 32 where 64 does not divide the width (the mini encoders)."""
        return self.embed_dim // (64 if self.embed_dim % 64 == 0 else 32)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], where: str) -> Architecture:
        """Read the sizes off an encoder's tensors, named as in timm.

        Raises:
            CheckpointError: a tensor that tells them is missing, or tells nothing sensible.
        """
        table_name = _BIAS_TABLE if _BIAS_TABLE in tensors else "pos_embed"
        telling = ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", table_name)
        missing = [name for name in telling if name not in tensors]
        if missing:
            raise CheckpointError(f"{where}: missing {', '.join(missing)}: not an encoder's weights")
        patch, hidden, table = (tuple(tensors[name].shape) for name in telling)
        grid = _bias_grid(table) if table_name == _BIAS_TABLE else _position_grid(table)
        if len(patch) != 4 or patch[0] % 32 or not grid:
            raise CheckpointError(
                f"{where}: expected a width that 32 divides and square grids of positions, "
                f"got {telling[0]} {patch} and {table_name} {table}"
            )
        blocks = {int(found[1]) for name in tensors if (found := re.match(r"blocks\.(\d+)\.", name))}
        return cls(grid * patch[-1], patch[-1], patch[0], max(blocks) + 1, hidden[0] / patch[0])


MINI = Architecture(image_size=48, patch_size=8, embed_dim=96, depth=4)
BASE = Architecture(image_size=224, patch_size=16, embed_dim=768, depth=12)


class VitTrunk(nn.Module):
    """A timm `VisionTransformer` or `Beit` run block by block, on any grid of patches."""

    def __init__(self, vit: VisionTransformer | Beit, handling: str) -> None:
        """Hold a timm ViT; `handling` is one of the catalogue's ways with positions."""
        super().__init__()
        self.vit: VisionTransformer | Beit = vit
        self.handling = handling
        self._placed: dict[object, tuple[Tensor | None, Tensor | None]] = {}

    def forward(self, images: Tensor, layers: tuple[int, ...]) -> tuple[Tensor, dict[int, Tensor]]:
        """See `Encoder.__init__`, trunk."""
        patches = self.vit.patch_embed.proj(images.to(self.vit.cls_token.dtype))
        added, bias = self._positions(patches.shape[-2:])
        tokens = torch.cat([self.vit.cls_token.expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens if added is None else tokens + added
        shared = {} if bias is None else {"shared_rel_pos_bias": bias}
        raw = {}
        for index, block in enumerate(self.vit.blocks):
            tokens = block(tokens, **shared)
            if index in layers:
                raw[index] = tokens
        return self.vit.norm(tokens), raw

    def _positions(self, grid: torch.Size) -> tuple[Tensor | None, Tensor | None]:
        """What is added to the tokens and what to the attention scores; made once for each grid."""
        cls = self.vit.cls_token
        key = (*grid, cls.device, cls.dtype)
        if key not in self._placed:
            rows, columns = grid
            if self.handling == "relative":
                self._placed[key] = None, _attention_bias(self.vit.rel_pos_bias, (rows, columns))
            else:
                resize = positions.ABSOLUTE[self.handling]
                self._placed[key] = resize(self.vit.pos_embed, (rows, columns)), None
        return self._placed[key]


def build_vit(method: Method, architecture: Architecture) -> VisionTransformer | Beit:
    """A timm ViT with `method`'s tensors under its official names, untrained.

    CAE's separate query and value biases and its LayerScale are those of timm's `Beit`, which also takes
    absolute positions, so no tensor has to be renamed or merged.
    """
    sizes = {
        "img_size": architecture.image_size,
        "patch_size": architecture.patch_size,
        "embed_dim": architecture.embed_dim,
        "depth": architecture.depth,
        "num_heads": architecture.num_heads,
        "mlp_ratio": architecture.mlp_ratio,
        "norm_layer": partial(nn.LayerNorm, eps=method.norm_eps),
        # "token" keeps the final norm where the releases have it; "avg" would move it behind a pooling
        "global_pool": "token",
        "num_classes": 0,
    }
    if method.trunk == "vit":
        return VisionTransformer(**sizes)
    relative = method.positions == "relative"
    return Beit(**sizes, use_abs_pos_emb=not relative, use_shared_rel_pos_bias=relative, init_values=0.1)


def vit_encoder(
    name: str,
    method: Method,
    vit: VisionTransformer | Beit,
    architecture: Architecture,
    projector: nn.Module | None = None,
) -> Encoder:
    """The encoder that runs `vit` in `method`'s way."""
    return Encoder(
        name,
        VitTrunk(vit, method.positions),
        patch_size=architecture.patch_size,
        embed_dim=architecture.embed_dim,
        depth=architecture.depth,
        image_size=architecture.image_size,
        mean=method.mean,
        std=method.std,
        projector=projector,
    )


def _attention_bias(shared: RelativePositionBias, grid: positions.Grid) -> Tensor:
    """(1, heads, 1 + n, 1 + n) for n patches on `grid`."""
    table = positions.geometric_spline(shared.relative_position_bias_table, grid)
    index = gen_relative_position_index(grid, device=table.device)
    return table[index].permute(2, 0, 1)[None].contiguous()


def _position_grid(shape: tuple[int, ...]) -> int:
    """Side of the grid that a (1, 1 + g * g, D) table covers; 0 if there is none."""
    side = math.isqrt(max(shape[1] - 1, 0)) if len(shape) == 3 else 0
    return side if len(shape) == 3 and side * side == shape[1] - 1 else 0


def _bias_grid(shape: tuple[int, ...]) -> int:
    """Side of the grid that a ((2 * g - 1) ** 2 + 3, heads) table covers; 0 if there is none."""
    span = math.isqrt(max(shape[0] - 3, 0)) if shape else 0
    return (span + 1) // 2 if span % 2 and span * span == shape[0] - 3 else 0
