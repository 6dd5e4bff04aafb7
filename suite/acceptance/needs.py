"""Refusal of a machine on which nothing can be tried, told without loading PyTorch."""

from __future__ import annotations

from suite.core.nvidia import DRIVER
from suite.errors import DeviceError


def no_card(why: str) -> DeviceError:
    """Return the refusal of a machine without a card that can be used, for a reason of `suite.core.nvidia`."""
    return DeviceError(f"gpu-acceptance: expected an NVIDIA GPU with driver {DRIVER} or newer, for CUDA 13, got: {why}")
