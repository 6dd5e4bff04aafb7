"""A machine with NVIDIA cards, or without: its files, and an nvidia-smi that answers as it is told."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from suite.core import nvidia

H200 = {
    "index": "0",
    "uuid": "GPU-8f3b0001-0000-0000-0000-000000000000",
    "name": "NVIDIA H200",
    "driver": "580.95.05",
    "capability": "9.0",
    "memory_mib": "143771",
    "used_mib": "4",
    "sm_mhz": "1980",
    "max_sm_mhz": "1980",
    "ecc": "Enabled",
    "ecc_errors": "0",
    "temperature_c": "40",
    "mig": "Disabled",
    "compute_mode": "Default",
}


@dataclass(frozen=True)
class Machine:
    """A machine whose driver, cards and nvidia-smi are stand-ins below `folder`."""

    folder: Path

    def has(self, *cards: dict[str, str], version: str = "580.95.05", listed: str = "") -> None:
        """Put in cards and their driver; nvidia-smi answers, and lists the slices that `listed` names."""
        for number in range(len(cards)):
            (self.folder / "dev" / f"nvidia{number}").touch()
        (self.folder / "version").write_text(
            f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build\n"
        )
        self.answers("\n".join(", ".join((H200 | card).values()) for card in cards), listed=listed)

    def answers(self, text: str, *, code: int = 0, listed: str = "") -> None:
        """Let nvidia-smi answer this, and end with this exit code."""
        path = self.folder / "bin" / "nvidia-smi"
        answer = f'if [ "$1" = -L ]; then echo {shlex.quote(listed)}; else echo {shlex.quote(text)}; fi'
        path.write_text(f"#!/bin/sh\n{answer}\nexit {code}\n")
        path.chmod(0o755)

    def has_pci(self, address: str, vendor: str = "0x10de", kind: str = "0x030200") -> None:
        """Put in a PCI device, by default a 3D controller of NVIDIA's."""
        device = self.folder / "pci" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")


def nvidia_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine without card and driver."""
    for name in ("dev", "bin", "pci"):
        (folder / name).mkdir()
    monkeypatch.setattr(nvidia, "DEVICE_FILES", folder / "dev")
    monkeypatch.setattr(nvidia, "VERSION_FILE", folder / "version")
    monkeypatch.setattr(nvidia, "PCI_DEVICES", folder / "pci")
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Machine(folder)
