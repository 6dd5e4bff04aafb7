"""A problem of the segmentation loss, its plain solution, and the tolerance between two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def problem(shape: tuple[int, ...], ignored: float = 0.2, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    batch, classes, h, w, height, width = shape
    generator = torch.Generator().manual_seed(sum(shape))
    logits = 3 * torch.randn(batch, classes, h, w, generator=generator, dtype=dtype)
    target = torch.randint(classes, (batch, height, width), generator=generator).to(torch.uint8)
    target[torch.rand(target.shape, generator=generator) < ignored] = 255
    return logits.requires_grad_(), target


def plain(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    enlarged = F.interpolate(logits, size=target.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(enlarged, target.long(), ignore_index=ignore_index, reduction="none").mean()


def assert_same(logits: Tensor, obtained: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(obtained, expected, rtol=tolerance, atol=0)
    gradient, reference = (torch.autograd.grad(loss, logits)[0] for loss in (obtained, expected))
    assert (gradient - reference).abs().max() <= tolerance * reference.abs().max()
