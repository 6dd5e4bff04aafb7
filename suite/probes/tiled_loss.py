"""Loss of a segmentation head at the full resolution, tile by tile."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from suite.errors import MetricError
from suite.metrics.arrays import Array, comparable, integer, integers
from suite.probes.upsampling import upsampling_matrix
from suite.protocol.constants import constant

IGNORED: int = constant("segmentation", "ignored_label")
_TILE_BYTES = {"cpu": 2 << 20}  # a tile of logits stays in the processor's cache
_TILE_BYTES_ELSEWHERE = 256 << 20
_BANDS = 8  # parts of an image that are enlarged to the full width at a time
_WORTH_COPYING = 0.6  # share of labelled pixels above which softmax of all is as fast as that of a copy of some
_SURE = 1e-30  # probabilities above it have a logarithm that float32 holds without loss


def segmentation_loss(logits: Tensor, target: Array, *, ignore_index: int = IGNORED) -> Tensor:
    """Return the cross-entropy of the logits, bilinearly enlarged to the target's size, averaged over all pixels.

    Ignored pixels add 0 and are counted (official code, mmseg/models/losses/utils.py, `weight_reduce_loss`). Works
    tile by tile and finds the gradient on the way, so the enlarged logits never exist as a whole.

    Args:
        logits: (B, C, h, w) floating.
        target: (B, H, W) integers of any type in [0, C) or `ignore_index`.
        ignore_index: label of pixels that do not count; wins over the class of that number. It is compared as a number:
            one that the target's type cannot hold ignores nothing.

    Returns:
        Scalar, float32 (float64 for such logits); differentiable once in the logits.

    Raises:
        MetricError: shapes that do not fit, an empty batch, other types of numbers, or a label that is neither a class
            nor ignored.
    """
    target, ignore_index = readable_labels(logits, target, ignore_index)
    if logits.ndim != 4 or target.ndim != 3 or len(logits) != len(target) or not target.numel() or not logits.numel():
        raise MetricError(
            "segmentation loss: expected logits (B, C, h, w) and target (B, H, W), none empty, "
            f"got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    return check_labels(target, logits.shape[1], ignore_index) + _TiledLoss.apply(logits, target, ignore_index)


def readable_labels(logits: Tensor, target: Array, ignore_index: int) -> tuple[Tensor, int]:
    """Return target and ignored label such that comparing them, or the number of classes, compares numbers.

    Raises:
        MetricError: labels that are no integers, or logits that are no tensor of floating numbers.
    """
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        got = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise MetricError(f"segmentation loss: expected logits as a tensor of floating numbers, got {got}")
    number = integer(ignore_index, "ignore_index")
    labels = comparable(integers(target, "target"), number, *logits.shape[1:2])
    return labels.to(logits.device), number


def check_labels(target: Tensor, num_classes: int, ignore_index: int = IGNORED) -> Tensor:
    """Return 0, or NaN where a label is neither class nor ignored; raise on the CPU, where looking costs no wait.

    Raises:
        MetricError: see above. On a GPU the loss to which this is added tells.
    """
    illegal = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if target.device.type == "cpu" and illegal.any():
        raise MetricError(
            f"target: expected classes in [0, {num_classes}) or {ignore_index}, "
            f"got {int(target[illegal][0])} in {int(illegal.sum())} pixels"
        )
    zero = torch.zeros((), device=target.device)
    return zero.masked_fill(illegal.any(), torch.nan)


class _TiledLoss(torch.autograd.Function):
    """Sum over tiles of rows. Enlarging is R L C^T for matrices R, C, so its gradient is R^T G C."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        places = logits.detach().permute(0, 2, 3, 1).to(exact)
        columns = upsampling_matrix(places.shape[2], target.shape[2], exact, places.device)
        total = torch.zeros((), dtype=torch.float64, device=places.device)
        gradient = torch.zeros(places.shape, dtype=exact, device=places.device)
        step = _band_rows(places.shape, target.shape)
        bands = _tiles(places.shape[1], 0, target.shape[1], target.shape[1], step if places.is_cpu else target.shape[1])
        for image, labels, out in zip(places, target, gradient, strict=True):
            for top, bottom, first, last in bands:
                loss, slope = _one_band(
                    columns @ image[first:last], labels, (top, bottom, first), len(image), ignore_index
                )
                total += loss
                out[first:last] += columns.T @ slope
        ctx.save_for_backward(gradient.div_(target.numel()).permute(0, 3, 1, 2).to(logits.dtype))
        return (total / target.numel()).to(exact)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale, None, None


def _one_band(
    wide: Tensor, labels: Tensor, band: tuple[int, int, int], source: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Sum the loss of some rows of one image, and its gradient.

    Args:
        wide: (r, W, C) the rows of logits that they are made of, enlarged to the full width.
        labels: (H, W) of the whole image.
        band: first row, row after the last, and the source row that `wide` begins with.
        source: h, source rows of the whole image.
        ignore_index: see `segmentation_loss`.

    Returns:
        The sum over pixels (float64), and its gradient in `wide`.
    """
    begin, end, offset = band
    height, (width, classes) = labels.shape[0], wide.shape[1:]
    rows = upsampling_matrix(source, height, wide.dtype, wide.device)
    step = _tile_rows(wide, end - begin)
    enlarged, probabilities = (wide.new_empty(step * width, classes) for _ in range(2))
    slope = torch.zeros_like(wide)
    total = torch.zeros((), dtype=torch.float64, device=wide.device)
    for top, bottom, first, last in _tiles(source, begin, end, height, step):
        pixels, made_of = (bottom - top) * width, slice(first - offset, last - offset)
        weights, logits, p = rows[top:bottom, first:last], enlarged[:pixels], probabilities[:pixels]
        torch.mm(weights, wide[made_of].flatten(1), out=logits.view(bottom - top, -1))
        loss = _enter_labels(logits, p, labels[top:bottom].reshape(-1), ignore_index)
        if loss is None:
            continue
        total += loss
        slope[made_of].flatten(1).addmm_(weights.T, p.view(bottom - top, -1))
    return total, slope


def _enter_labels(logits: Tensor, p: Tensor, labels: Tensor, ignore_index: int) -> Tensor | None:
    """Sum the loss of P pixels; fill `p` with its gradient: probabilities minus one-hot, 0 where ignored.

    On the CPU ignored pixels are left out where that saves time: most of a part set is background. None: all are.
    """
    ignored = labels == ignore_index
    if not p.is_cpu:
        return _entered(logits, torch.softmax(logits, 1, out=p), labels, ignored)
    labelled = (~ignored).nonzero()[:, 0]
    if not len(labelled):
        return None
    if len(labelled) > _WORTH_COPYING * len(labels):
        return _entered(logits, torch.softmax(logits, 1, out=p), labels, ignored)
    rows = logits[labelled]
    slope = torch.softmax(rows, 1)
    loss = _entered(rows, slope, labels[labelled], ignored[labelled])
    p.zero_().index_copy_(0, labelled, slope)
    return loss


def _entered(logits: Tensor, p: Tensor, labels: Tensor, ignored: Tensor) -> Tensor:
    """Sum the loss of P pixels; turn their probabilities `p` into its gradient."""
    entries = torch.arange(len(labels), device=p.device) * p.shape[1] + labels.long().clamp(0, p.shape[1] - 1)
    likelihood = p.view(-1)[entries]
    losses = -likelihood.clamp_min(_SURE).log()
    unlikely = (likelihood < _SURE).nonzero()[:, 0]  # hardly ever any
    if len(unlikely):
        losses[unlikely] = logits[unlikely].logsumexp(1) - logits.view(-1)[entries[unlikely]]
    p.view(-1).index_add_(0, entries, p.new_full((1,), -1).expand(len(entries)))
    p.index_fill_(0, ignored.nonzero()[:, 0], 0)
    return losses.masked_fill_(ignored, 0).sum(dtype=torch.float64)


def _band_rows(source: torch.Size, target: torch.Size) -> int:
    """Choose rows of a band: as few bands as keep one, enlarged to the full width, near the size of a tile."""
    wide = source[1] * target[2] * source[3] * 4
    return -(-target[1] // min(_BANDS, -(-wide // _TILE_BYTES["cpu"])))


def _tile_rows(wide: Tensor, height: int) -> int:
    budget = _TILE_BYTES.get(wide.device.type, _TILE_BYTES_ELSEWHERE)
    return min(height, max(1, budget // (wide[0].numel() * wide.element_size())))


@functools.lru_cache(maxsize=256)
def _tiles(source: int, begin: int, end: int, height: int, step: int) -> list[tuple[int, int, int, int]]:
    """List tiles of enlarged rows `begin` to `end`: (top, bottom), and (first, last) of the source rows of each."""
    uses = upsampling_matrix(source, height, torch.float32, torch.device("cpu")) != 0
    spans = [(top, min(top + step, end)) for top in range(begin, end, step)]
    made_of = [uses[top:bottom].any(0).nonzero()[:, 0].tolist() for top, bottom in spans]
    return [(*span, rows[0], rows[-1] + 1) for span, rows in zip(spans, made_of, strict=True)]
