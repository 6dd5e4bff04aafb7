"""Exactness of float32 products on a GPU; the CPU knows only exact ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def exact_convolutions() -> None:
    """Have cuDNN round no float32 operand, as torch's matrix products do not; torch lets it."""
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def tf32_matmul(enabled: bool) -> Iterator[None]:
    """Have float32 matrix products in the block take operands of ten bits of mantissa, as many as float16 has.

    So computes mixed precision (official code: apex O1), except that the range stays that of float32 (this is
    TF32): small gradients do not vanish, so the loss needs no scaling.

    Args:
        enabled: False leaves products as they are.
    """
    previous_setting = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = enabled or previous_setting
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = previous_setting
