"""Usage of machine and GPU by one trial; what trials before it took in the same process is not told again."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from suite.core.memory import mark_memory
from suite.core.nvidia import driver_version
from suite.core.nvml import Meter

SAMPLE_S = 1.0
"""Seconds between two looks at a card's power."""
_MIB = 2**20


class Usage:
    """Memory, images and, on a GPU, power and energy of a block of work, `with Usage(device) as usage`.

    Of this process alone: processes that train a probe together with it have a GPU each, and are not counted.

    Attributes:
        images: images that an encoder was given, those that fill up a pass included; whoever encodes counts.
    """

    def __init__(self, device: str) -> None:
        """Begin; on a GPU its queue is waited for, and memory that nothing holds is given back.

        Args:
            device: `cpu`, `cuda` or `cuda:1`.
        """
        self.images = 0
        self._memory = mark_memory()
        self._gpu = _GpuUsage(device) if device.startswith("cuda") else None
        self._began = time.perf_counter()

    def __enter__(self) -> Usage:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Look at the card's power no more."""
        if self._gpu is not None:
            self._gpu.close()

    def facts(self) -> dict[str, Any]:
        """Tell what the work took up to now.

        Returns:
            `peak_memory_mib` and `start_memory_mib` resident, `images`, `images_per_second` (None without images), and
            on a GPU `gpu`: `model`, `driver`, `start_allocated_mib`, `peak_allocated_mib`, `peak_reserved_mib`,
            `energy_j`, `mean_power_w`, `peak_power_w`; None where NVML does not answer.
        """
        gpu = {} if self._gpu is None else {"gpu": self._gpu.facts()}
        seconds = time.perf_counter() - self._began
        return {
            "peak_memory_mib": round(self._memory.peak() / _MIB),
            "start_memory_mib": round(self._memory.start / _MIB),
            "images": self.images,
            "images_per_second": round(self.images / seconds, 1) if self.images else None,
            **gpu,
        }


class _GpuUsage:
    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.cuda
        index = torch.device(device).index
        self._index = self._cuda.current_device() if index is None else index
        self._properties = self._cuda.get_device_properties(self._index)
        self._cuda.synchronize(self._index)
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats(self._index)
        self._allocated = self._cuda.memory_allocated(self._index)
        # CUDA gives a process one MIG instance, and the variable alone surely names it
        word = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
        self._meter = Meter(word if word.startswith("MIG-") else str(self._properties.uuid))
        self._energy = self._meter.energy_j()
        self._powers = [self._meter.power_w()]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._began = time.perf_counter()
        self._thread.start()

    def facts(self) -> dict[str, Any]:
        self._cuda.synchronize(self._index)
        seconds, energy = time.perf_counter() - self._began, self._meter.energy_j()
        powers = [power for power in (*self._powers, self._meter.power_w()) if power is not None]
        joules = None if energy is None or self._energy is None else energy - self._energy
        return {
            "model": self._properties.name,
            "driver": driver_version(),
            "start_allocated_mib": round(self._allocated / _MIB),
            "peak_allocated_mib": round(self._cuda.max_memory_allocated(self._index) / _MIB),
            "peak_reserved_mib": round(self._cuda.max_memory_reserved(self._index) / _MIB),
            "energy_j": None if joules is None else round(joules, 1),
            "mean_power_w": None if joules is None else round(joules / seconds, 1),
            "peak_power_w": round(max(powers), 1) if powers else None,
        }

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while self._powers[-1] is not None and not self._ended.wait(SAMPLE_S):
            self._powers.append(self._meter.power_w())
