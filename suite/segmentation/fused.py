"""The loss of `segmentation_loss` as one GPU kernel: enlarged logits live in registers only.

A program takes the enlarged pixels whose top-left neighbour is one given place of the low-resolution logits, so each
is a blend of the same four places. It sums their losses and the gradient in each of the four, and writes these to its
own spot of a small buffer, which torch then adds up in a fixed order: no atomics, so two runs agree to the last bit.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from suite.core.forms import warn
from suite.errors import SuiteError
from suite.probes.tiled_loss import IGNORED, check_labels, readable_labels, segmentation_loss
from suite.segmentation.toolchain import prepare, reason


class FastestLoss:
    """`segmentation_loss` of one head: by the kernel as long as that works on the head's GPU, else tile by tile.

    The kernel is a gain and never a condition: whatever keeps it from starting is told once, and training goes on. Once
    it has failed for a head it is not tried for it again; other heads try for themselves, so that each ends as it would
    alone.

    Attributes:
        fused: losses that the kernel has computed.
        reason: why it computes no more, and what to do; empty as long as nothing has gone wrong.
    """

    def __init__(self) -> None:
        self.fused, self.reason = 0, ""

    def __call__(self, logits: Tensor, target: Tensor, *, ignore_index: int = IGNORED) -> Tensor:
        """Compute `segmentation_loss`; same arguments, same errors, same result to rounding."""
        if _is_on_gpu(logits) and not self.reason:
            try:
                prepare(logits.device)
                loss = fused_loss(logits, target, ignore_index=ignore_index)
            except (SuiteError, torch.OutOfMemoryError):  # of the input or of the whole step: not the kernel's
                raise
            except Exception as error:
                self.reason = reason(error)
                _warn_once(self.reason)
            else:
                self.fused += 1
                return loss
        return segmentation_loss(logits, target, ignore_index=ignore_index)

    def way(self, steps: int, device: torch.device) -> str:
        """Say for the record how the losses of so many steps were computed."""
        if self.fused == steps:
            return "fused kernel"
        why = "no GPU" if device.type == "cpu" else self.reason or "for a reason that an earlier process told"
        if not self.fused:
            return f"tile by tile ({why})"
        return f"fused kernel in {self.fused} of {steps} steps, tile by tile in the others ({why})"


def _is_on_gpu(logits: Tensor) -> bool:
    return logits.is_cuda


@functools.cache
def _warn_once(why: str) -> None:
    warn(f"segmentation: the loss is computed without the GPU kernel, so more slowly, equal to rounding: {why}")


def fused_loss(logits: Tensor, target: Tensor, *, ignore_index: int = IGNORED) -> Tensor:
    """Compute `segmentation_loss` by the kernel; same arguments, same errors, same result to rounding."""
    target, ignore_index = readable_labels(logits, target, ignore_index)
    return check_labels(target, logits.shape[1], ignore_index) + _FusedLoss.apply(logits, target, ignore_index)


class _FusedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        from suite.segmentation.kernel import launch, loss_and_gradient

        places = logits.detach().permute(0, 2, 3, 1).float().contiguous()
        batch, h, w, classes = places.shape
        losses = torch.empty(batch, h, w, device=places.device)
        parts = torch.empty(4, batch, h, w, classes, device=places.device)
        rows, columns = (neighbours(*sizes, places.device) for sizes in ((h, target.shape[1]), (w, target.shape[2])))
        loss_and_gradient[(batch * h * w,)](
            places, target.contiguous(), losses, parts, *rows, *columns,
            h, w, target.shape[1], target.shape[2], classes, ignore_index, parts[0].numel(),
            **launch(classes),
        )  # fmt: skip
        gradient = _gather(parts) / target.numel()
        ctx.save_for_backward(gradient.permute(0, 3, 1, 2).to(logits.dtype))
        return (losses.sum(dtype=torch.float64) / target.numel()).float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale, None, None


@functools.lru_cache(maxsize=32)
def neighbours(source: int, target: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Locate enlarged pixels between source pixels, along one axis (bilinear, align_corners off).

    Args:
        source: length of the logits.
        target: length of the enlarged logits.
        device: where the answer is wanted.

    Returns:
        (source + 1,) int32 starts: pixels starts[i] to starts[i + 1] lie between source pixels i and i + 1;
        (target,) float32 share of pixel i + 1 in each.
    """
    position = ((torch.arange(target) + 0.5) * (source / target) - 0.5).clamp_min(0)
    left = position.floor()
    starts = torch.searchsorted(left, torch.arange(source + 1.0)).int()
    return starts.to(device), (position - left).to(device)


def _gather(parts: Tensor) -> Tensor:
    """Gather (4, B, h, w, C) gradients at top left and right, bottom left and right to (B, h, w, C); borders repeat."""
    gradient = parts[0].clone()
    _shift_and_add(gradient, parts[1], dim=2)
    below = parts[2].clone()
    _shift_and_add(below, parts[3], dim=2)
    _shift_and_add(gradient, below, dim=1)
    return gradient


def _shift_and_add(total: Tensor, part: Tensor, *, dim: int) -> None:
    length = total.shape[dim]
    total.narrow(dim, 1, length - 1).add_(part.narrow(dim, 0, length - 1))
    total.narrow(dim, length - 1, 1).add_(part.narrow(dim, length - 1, 1))
