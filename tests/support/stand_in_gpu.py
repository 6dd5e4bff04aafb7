"""A GPU that is not there: what torch and the driver would say of one, for code that only asks."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from suite.core import nvml

MIB = 2**20
UUID = "8f5e1c2a-0000-1111-2222-333344445555"


class StandInGpu:
    """One GPU whose memory and energy a test sets; `install` puts it where torch and NVML are asked."""

    def __init__(self) -> None:
        self.allocated, self.peak, self.reserved = 100 * MIB, 100 * MIB, 200 * MIB
        self.millijoules, self.milliwatts = 5_000_000, 250_000
        self.driver = "580.95.05"
        self.calls: list[str] = []

    def take(self, mebibytes: int) -> None:
        """Allocate and free again."""
        self.peak = max(self.peak, self.allocated + mebibytes * MIB)
        self.reserved = max(self.reserved, self.peak)

    def reset(self, _index: object = None) -> None:
        self.calls.append("reset")
        self.peak, self.reserved = self.allocated, self.allocated

    def install(self, monkeypatch: pytest.MonkeyPatch, *, driver_answers: bool = True) -> None:
        properties = SimpleNamespace(name="Stand-In 9000", uuid=UUID, total_memory=80 * 1024 * MIB, major=9, minor=0)
        for name, answer in {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "get_device_capability": lambda _index=None: (9, 0),
            "get_arch_list": lambda: ["sm_90"],
            "get_device_name": lambda _index=None: "Stand-In 9000 (80GB)",
            "get_device_properties": lambda _index: properties,
            "synchronize": lambda _index=None: self.calls.append("synchronize"),
            "empty_cache": lambda: self.calls.append("empty_cache"),
            "reset_peak_memory_stats": self.reset,
            "memory_allocated": lambda _index: self.allocated,
            "max_memory_allocated": lambda _index: self.peak,
            "max_memory_reserved": lambda _index: self.reserved,
        }.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        monkeypatch.setattr(nvml, "_library", lambda: self._library() if driver_answers else None)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def _library(self) -> Any:
        library = ModuleType("pynvml")

        class NVMLError(Exception):
            pass

        def handle(uuid: str) -> str:
            if uuid != f"GPU-{UUID}":
                raise NVMLError("not found")
            return uuid

        library.NVMLError = NVMLError
        library.nvmlSystemGetDriverVersion = lambda: self.driver
        library.nvmlDeviceGetHandleByUUID = handle
        library.nvmlDeviceGetTotalEnergyConsumption = lambda _handle: self.millijoules
        library.nvmlDeviceGetPowerUsage = lambda _handle: self.milliwatts
        return library
