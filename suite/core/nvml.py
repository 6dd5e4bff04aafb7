"""NVML, the driver's own account of a GPU: driver version, energy and power, each None where it does not answer.

It takes no memory of the GPU. A MIG instance has no power meter of its own, and a virtual GPU or a card before Volta
counts no energy.

Source: NVML API reference (`nvmlDeviceGetTotalEnergyConsumption`, `nvmlDeviceGetPowerUsage`); package `nvidia-ml-py`.
"""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def _library() -> Any | None:
    """Return the library, initialised; None where the package or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the package, the driver, or a driver that is not of this kernel
        return None
    return pynvml


def driver_version() -> str | None:
    """Return the driver's version, e.g. `580.95.05`."""
    version = _ask("nvmlSystemGetDriverVersion")
    return version.decode() if isinstance(version, bytes) else version


class Meter:
    """Meter of one GPU, whoever uses it: other programs on the card count too."""

    def __init__(self, uuid: str) -> None:
        """Look for the GPU.

        Args:
            uuid: as torch tells it, without `GPU-`, or a MIG instance's name.
        """
        names = [uuid] if uuid.startswith(("GPU-", "MIG-")) else [f"GPU-{uuid}", f"MIG-{uuid}"]
        handles = (_ask("nvmlDeviceGetHandleByUUID", name) for name in names)
        self._handle = next((handle for handle in handles if handle is not None), None)

    def energy_j(self) -> float | None:
        """Return the joules that the card took since the driver was loaded."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def power_w(self) -> float | None:
        """Return the watts that the card takes now."""
        milliwatts = self._ask("nvmlDeviceGetPowerUsage")
        return None if milliwatts is None else milliwatts / 1e3

    def _ask(self, question: str) -> Any | None:
        return None if self._handle is None else _ask(question, self._handle)


def _ask(question: str, *arguments: Any) -> Any | None:
    library = _library()
    if library is None:
        return None
    try:
        return getattr(library, question)(*arguments)
    except library.NVMLError:
        return None
