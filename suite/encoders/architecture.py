"""The sizes of a ViT, given or read off its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from suite.errors import CheckpointError

_BIAS_TABLE = "rel_pos_bias.relative_position_bias_table"
_TABLE_OF_A_BLOCK = "blocks.0.attn.relative_position_bias_table"
_OTHERS = {(192, 12): "ViT-Ti", (384, 12): "ViT-S", (1024, 24): "ViT-L", (1280, 32): "ViT-H"}
_MOST_BLOCKS = 100


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
        """Number of heads, 64 wide as in every ViT-B; 32 where 64 does not divide the width (the mini encoders)."""
        return self.embed_dim // (64 if self.embed_dim % 64 == 0 else 32)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], location: str) -> Architecture:
        """Read the sizes off an encoder's tensors, named as in timm.

        Raises:
            CheckpointError: a tensor that tells them is missing, or tells nothing sensible.
        """
        if _BIAS_TABLE not in tensors and _TABLE_OF_A_BLOCK in tensors:
            raise CheckpointError(
                f"{location}: expected one table of relative positions, {_BIAS_TABLE}, got one in each block "
                f"({_TABLE_OF_A_BLOCK}), as files of fine-tuned BEiT have"
            )
        table_name = _BIAS_TABLE if _BIAS_TABLE in tensors else "pos_embed"
        telling = ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", table_name)
        missing = [name for name in telling if name not in tensors]
        if missing:
            raise CheckpointError(f"{location}: missing {', '.join(missing)}: not an encoder's weights")
        patch, hidden, table = (tuple(tensors[name].shape) for name in telling)
        grid = _bias_grid(table) if table_name == _BIAS_TABLE else _position_grid(table)
        if len(patch) != 4 or min(patch) == 0 or patch[0] % 32 or len(hidden) != 2 or not grid:
            raise CheckpointError(
                f"{location}: expected a width that 32 divides and square grids of positions, "
                f"got {telling[0]} {patch} and {table_name} {table}"
            )
        blocks = {match[1] for name in tensors if (match := re.match(r"blocks\.(\d+)\.", name))}
        if len(blocks) > _MOST_BLOCKS:
            raise CheckpointError(f"{location}: expected at most {_MOST_BLOCKS} blocks, got {len(blocks)}")
        size_name = _OTHERS.get((patch[0], len(blocks)))
        if size_name:
            # MoCo v3's ViT-S has 12 heads, everybody else's 6, and no tensor of either says so
            raise CheckpointError(
                f"{location}: expected the paper's ViT-B (768 wide, 12 blocks), got a {size_name} ({patch[0]} wide, "
                f"{len(blocks)} blocks); a file does not tell its number of heads: use timm:NAME@{location}"
            )
        return cls(grid * patch[-1], patch[-1], patch[0], len(blocks), hidden[0] / patch[0])


MINI = Architecture(image_size=48, patch_size=8, embed_dim=96, depth=4)
BASE = Architecture(image_size=224, patch_size=16, embed_dim=768, depth=12)


def of_profile(name: str) -> Architecture:
    """Return the sizes of a profile's own encoders, which its baselines share."""
    return MINI if name == "mini" else BASE


def _position_grid(shape: tuple[int, ...]) -> int:
    """Return the side of the grid that a (1, 1 + g * g, D) table covers; 0 if there is none."""
    side = math.isqrt(max(shape[1] - 1, 0)) if len(shape) == 3 else 0
    return side if len(shape) == 3 and side * side == shape[1] - 1 else 0


def _bias_grid(shape: tuple[int, ...]) -> int:
    """Return the side of the grid that a ((2 * g - 1) ** 2 + 3, heads) table covers; 0 if there is none."""
    span = math.isqrt(max(shape[0] - 3, 0)) if shape else 0
    return (span + 1) // 2 if span % 2 and span * span == shape[0] - 3 else 0
