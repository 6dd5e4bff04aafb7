"""Processors that this process may use: those of the machine, less what its affinity or a container withholds."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """Return how many processors can be kept busy at once, at least 1.

    A quota of 1.5 processors counts as 2: two processes use it better than one.
    """
    # Linux knows which processors a process may run on, after taskset, Slurm or docker --cpuset-cpus
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the quota of each control group above this process, in processors (docker --cpus, Kubernetes limits).

    Version 2 has one tree, version 1 one for the processor. A container often sees its own group as the root.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.
    """
    for line in _text(PROC).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in [MOUNT / name for name in dict.fromkeys((controllers, "cpu"))] if controllers else [MOUNT]:
            group = root / path.strip("/")
            for folder in [group, *(parent for parent in group.parents if parent.is_relative_to(root))]:
                text = (
                    f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}"
                    if controllers
                    else _text(folder / "cpu.max")
                )
                numbers = re.fullmatch(r"\s*([0-9]+)\s+([1-9][0-9]*)\s*", text)  # no quota is `max` or -1
                if numbers:
                    yield int(numbers[1]) / int(numbers[2])


def _text(path: Path) -> str:
    """Read a file of the kernel's; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""
