"""A tiny vision transformer as a user might write one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite.encoders import Encoder, wrap

FACTS = {"patch_size": 8, "image_size": 32, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class TinyViT(nn.Module):
    """Two blocks, 24 wide, patches of 8 pixels; a class token unless told otherwise, and registers."""

    def __init__(self, *, registers: int = 0, class_token: bool = True, fixed: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.prefix_tokens, self.class_token, self.fixed = registers + class_token, class_token, fixed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Conv2d(3, 24, 8, stride=8)
            self.prefix = nn.Parameter(0.1 * torch.randn(1, self.prefix_tokens, 24))
            self.positions = nn.Parameter(0.1 * torch.randn(1, 24, 4, 4))
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(24, 2, 48, dropout=0.1, batch_first=True, norm_first=True) for _ in range(2)
            )
            self.norm = nn.LayerNorm(24)
            for norm in (module for module in self.modules() if isinstance(module, nn.LayerNorm)):
                nn.init.normal_(norm.weight, 1, 0.1)  # as training leaves it

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, prefix_tokens + h * w, 24)."""
        patches = self.embed(images)
        where = self.positions
        if not self.fixed:
            where = nn.functional.interpolate(where, patches.shape[-2:], mode="bicubic")
        patches = (patches + where).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(images), -1, -1), patches], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def wrapped(self, **changes: object) -> Encoder:
        """As an `Encoder`."""
        facts = FACTS | {"prefix_tokens": self.prefix_tokens, "class_token": self.class_token}
        return wrap(self, **(facts | changes))
