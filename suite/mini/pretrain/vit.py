"""The mini encoder: timm's ViT in the shape of each release, and one forward pass that knows masks."""

from __future__ import annotations

from typing import TypeAlias

import torch
from lightly.models.utils import get_2d_sine_cosine_positional_embedding, get_at_index
from timm.models.beit import Beit
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from suite.mini.pretrain.stem import WhitenedPatchEmbed

SIZE, PATCH, DIM, DEPTH, HEADS = 48, 8, 96, 4, 3
GRID = SIZE // PATCH
PATCHES = GRID**2
FIXED_POSITIONS = ("mocov3", "mae", "cae")
LAYER_SCALE = 0.1

Trunk: TypeAlias = VisionTransformer | Beit


def build(method: str, stem: WhitenedPatchEmbed) -> Trunk:
    """Build a fresh encoder in the architecture of a method's release, around a whitened stem."""
    shape = {
        "img_size": SIZE,
        "patch_size": PATCH,
        "embed_dim": DIM,
        "depth": DEPTH,
        "num_heads": HEADS,
        "num_classes": 0,
        "global_pool": "token",
    }
    if method == "beit":
        vit = Beit(use_abs_pos_emb=False, use_shared_rel_pos_bias=True, init_values=LAYER_SCALE, **shape)
    else:
        vit = VisionTransformer(init_values=LAYER_SCALE if method == "cae" else None, **shape)
        set_positions(vit, method)
    initialise(vit)
    if method == "cae":
        drop_key_bias(vit)
    vit.patch_embed = stem
    return vit


def initialise(vit: Trunk) -> None:
    """Draw Xavier-uniform linears as MAE and MoCo v3: timm's 0.02 is too small for 96 channels and a run of minutes."""
    for module in vit.blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)


def set_positions(vit: VisionTransformer, method: str) -> None:
    """Set sin-cos positions: fixed at full size, or learned from half of it; 0 at the class token."""
    table = torch.from_numpy(get_2d_sine_cosine_positional_embedding(DIM, GRID, cls_token=True)).float()
    if method != "mae":
        # MAE's table is that of MoCo v3 and CAE with its two halves swapped
        table = torch.cat([table[:, DIM // 2 :], table[:, : DIM // 2]], dim=1)
    fixed = method in FIXED_POSITIONS
    vit.pos_embed = nn.Parameter((table if fixed else table / 2)[None], requires_grad=not fixed)


def drop_key_bias(vit: VisionTransformer) -> None:
    """Hold the keys' third of the bias at 0 by masking its gradient: CAE stores q_bias and v_bias only."""
    keep = torch.ones(3 * DIM)
    keep[DIM : 2 * DIM] = 0
    for block in vit.blocks:
        nn.init.zeros_(block.attn.qkv.bias)
        block.attn.qkv.bias.register_hook(lambda gradient: gradient * keep.to(gradient.device))


def encode(
    vit: Trunk,
    images: Tensor,
    *,
    keep: Tensor | None = None,
    mask: Tensor | None = None,
    mask_token: Tensor | None = None,
) -> Tensor:
    """Return the tokens after the final norm, the class token first.

    Args:
        vit: an encoder of `build`.
        images: (B, 3, H, W), normalised.
        keep: (B, n) indices into the 1 + N tokens: only these enter the blocks.
        mask: (B, N) True where a patch is replaced by `mask_token` before positions are added.
        mask_token: (1, 1, D).

    Returns:
        (B, 1 + N, D), or (B, n, D) with `keep`.
    """
    x = vit.patch_embed(images)
    if mask is not None and mask_token is not None:
        x = torch.where(mask[..., None], mask_token, x)
    x = torch.cat([vit.cls_token.expand(len(x), -1, -1), x], dim=1)
    if vit.pos_embed is not None:
        x = x + vit.pos_embed
    if keep is not None:
        x = get_at_index(x, keep)
    if isinstance(vit, Beit):
        bias = vit.rel_pos_bias()
        for block in vit.blocks:
            x = block(x, shared_rel_pos_bias=bias)
    else:
        x = vit.blocks(x)
    normed: Tensor = vit.norm(x)
    return normed


def pooled(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two image-level readouts, both trained: class token (B, D) and mean patch token (B, D).

    Encoded features are mean patch tokens and projectors read the class token, so neither may be left untrained.
    """
    return tokens[:, 0], tokens[:, 1:].mean(1)
