"""What the benchmarks ask of the machine."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from suite.plan.calibrate import timed


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def matmul_flops(device: str) -> float:
    """Operations a second of the best of three large bfloat16 products, two for each multiply-accumulate."""
    rates = []
    for n in (4096, 8192, 16384) if device == "cuda" else (256,):
        a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
        rates.append(2 * n**3 * 5 / timed(lambda a=a, b=b: [a @ b for _ in range(5)], share_s=5.0, device=device))
    return max(rates)
