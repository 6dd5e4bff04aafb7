"""Memory that this process may still take: what machine or GPU has free, less where a container sets a limit."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

PROC = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Return the bytes that can be taken without swapping or being killed."""
    return max(0, min([psutil.virtual_memory().available, *_group_remainders()]))


def free_device_bytes(device: torch.device | str) -> int:
    """Return the bytes tensors on a GPU can take, with those PyTorch holds back for later ones; 0 on the CPU."""
    if torch.device(device).type != "cuda":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def total_device_bytes(device: torch.device | str) -> int:
    """Return the bytes of a GPU, asked for without taking any; 0 on the CPU."""
    if torch.device(device).type != "cuda":
        return 0
    return int(torch.cuda.get_device_properties(device).total_memory)


def _group_remainders() -> list[int]:
    """Return what each control group above this process leaves; files read can be dropped, so they count as free.

    Version 2 has one tree, version 1 one for memory. A container often sees its own group as the root.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    remainders = []
    for line in _text(PROC).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = MOUNT / "memory" if controllers else MOUNT
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        group = root / path.strip("/")
        for folder in [group, *(parent for parent in group.parents if parent.is_relative_to(root))]:
            ceiling, consumption = _text(folder / limit).strip(), _text(folder / usage).strip()
            if ceiling.isdigit() and consumption.isdigit():
                remainders.append(int(ceiling) - int(consumption) + _counter(_text(folder / "memory.stat"), cache))
    return remainders


def _counter(stat: str, name: str) -> int:
    rows = (line.split() for line in stat.splitlines())
    return next((int(row[1]) for row in rows if len(row) == 2 and row[0] == name), 0)


def _text(path: Path) -> str:
    """Read a file of the kernel's; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""
