"""One vision transformer for all releases: timm's modules, the releases' own positions."""

from __future__ import annotations

from functools import partial

import torch
from timm.models.beit import Beit, RelativePositionBias, gen_relative_position_index
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from suite.encoders import positions
from suite.encoders.architecture import Architecture
from suite.encoders.encoder import Encoder
from suite.encoders.method import Method

_GRIDS_KEPT = 8


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
        """Return what is added to the tokens and what to the attention scores; kept for the last few grids."""
        cls = self.vit.cls_token
        key = (*grid, cls.device, cls.dtype)
        if key not in self._placed:
            if len(self._placed) == _GRIDS_KEPT:
                self._placed.pop(next(iter(self._placed)))
            rows, columns = grid
            if self.handling == "relative":
                self._placed[key] = None, _attention_bias(self.vit.rel_pos_bias, (rows, columns))
            else:
                resize = positions.ABSOLUTE[self.handling]
                self._placed[key] = resize(self.vit.pos_embed, (rows, columns)), None
        return self._placed[key]


def build_vit(method: Method, architecture: Architecture, *, layer_scale: bool = True) -> VisionTransformer | Beit:
    """Build a timm ViT with `method`'s tensors under its official names, untrained.

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
    scale = 0.1 if layer_scale else None
    return Beit(**sizes, use_abs_pos_emb=not relative, use_shared_rel_pos_bias=relative, init_values=scale)


def vit_encoder(
    name: str,
    method: Method,
    vit: VisionTransformer | Beit,
    architecture: Architecture,
    projector: nn.Module | None = None,
) -> Encoder:
    """Build the encoder that runs `vit` in `method`'s way."""
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
        norm_eps=method.norm_eps,
    )


def _attention_bias(shared: RelativePositionBias, grid: positions.Grid) -> Tensor:
    """Return (1, heads, 1 + n, 1 + n) for n patches on `grid`."""
    table = positions.geometric_spline(shared.relative_position_bias_table, grid)
    index = gen_relative_position_index(grid, device=table.device)
    return table[index].permute(2, 0, 1)[None].contiguous()
