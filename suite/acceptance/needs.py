"""Needs of an acceptance, told without loading PyTorch."""

from __future__ import annotations

from suite.errors import DeviceError


def no_card(found: str) -> DeviceError:
    """Return the refusal of a machine without a card; `found` is what it has instead."""
    return DeviceError(
        f"gpu-acceptance: expected an NVIDIA GPU and its driver, 580 or newer for CUDA 13, got {found}: run it on a "
        "machine that has them"
    )
