"""Checks of the machine: Python, processor, memory, GPU; what spoils a measurement is said before it is made."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from suite.core.environment import capture
from suite.verification.outcome import Check, Findings

SUBJECT = "environment"
PYTHONS = ((3, 11), (3, 12))
MEMORY_MIB = 3000
"""Memory that the mini study's processes take together on two cores, measured, and some for the system."""
GPU_FACTS = {
    "name": "name",
    "driver": "driver_version",
    "memory_mib": "memory.total",
    "used_mib": "memory.used",
    "sm_mhz": "clocks.sm",
    "max_sm_mhz": "clocks.max.sm",
    "ecc": "ecc.mode.current",
    "ecc_errors": "ecc.errors.uncorrected.volatile.total",
    "temperature_c": "temperature.gpu",
    "mig": "mig.mode.current",
}
"""Fields of a GPU: our name -> that of `nvidia-smi --query-gpu`."""
BUSY_MIB = 2048
"""Memory in use above which somebody else computes there; a driver and its display take a few hundred."""


def python(version: tuple[int, int] = sys.version_info[:2]) -> Check:
    """Check that it is a Python that the lock was resolved for."""
    version_text = ".".join(map(str, version))
    if version not in PYTHONS:
        expected = " or ".join(".".join(map(str, supported)) for supported in PYTHONS)
        return Check(
            SUBJECT, "python", "failed", f"expected {expected}, got {version_text}; run make setup PYTHON=python3.11"
        )
    return Check(SUBJECT, "python", "passed", f"Python {sys.version.split()[0]}")


def processor() -> Check:
    """State processor and memory, as the report will."""
    facts = capture("cpu")
    cpu, memory = facts["cpu"], facts["memory"].get("total_mib")
    if not cpu.get("model") or not memory:
        return Check(SUBJECT, "processor", "no reference", f"not readable: {cpu.get('reason') or facts['memory']}")
    findings = Findings()
    findings.say(f"{cpu['model']}, {cpu['usable_cores'] or cpu['logical_cores']} cores, {memory / 1024:.1f} GiB")
    if memory < MEMORY_MIB:
        findings.warn(f"less than {MEMORY_MIB / 1024:.1f} GiB: pass WORKERS=1")
    return findings.check(SUBJECT, "processor")


def gpus() -> list[dict[str, str]] | str:
    """Ask nvidia-smi about each GPU; return a sentence where it cannot be asked."""
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_FACTS.values())}", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return "nvidia-smi is not there or does not answer"
    if process.returncode:
        complaint = (process.stdout + process.stderr).strip().splitlines()
        return f"nvidia-smi: {complaint[0] if complaint else f'exit code {process.returncode}'}"
    lines = [line.split(", ") for line in process.stdout.splitlines() if line.strip()]
    return [dict(zip(GPU_FACTS, (field.strip() for field in line), strict=True)) for line in lines]


def gpu(profile: str = "mini") -> Check:
    """Check that PyTorch can use it, and would measure well: ECC errors, others' processes, the versions of CUDA."""
    facts: dict[str, Any] = capture("cuda")["gpu"]
    if facts.get("reason"):
        needed = profile == "paper"  # the mini study needs none
        return Check(SUBJECT, "gpu", "missing" if needed else "no reference", f"no GPU: {facts['reason']}")
    findings = Findings()
    findings.say(f"{facts['name']}, {facts['memory_mib']} MiB, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}")
    answer = gpus()
    if isinstance(answer, str):
        findings.no_reference(f"driver, clocks and ECC unknown: {answer}")
        return findings.check(SUBJECT, "gpu")
    for number, device in enumerate(answer):
        clocks = f"{device['sm_mhz']} of {device['max_sm_mhz']} MHz"
        findings.say(f"GPU {number}: driver {device['driver']}, {clocks}, ECC {device['ecc']}, MIG {device['mig']}")
        if device["ecc_errors"].isdigit() and int(device["ecc_errors"]):
            findings.problem(
                "GPU with uncorrected ECC errors", f"GPU {number}: {device['ecc_errors']}: its memory fails"
            )
        if device["ecc"] == "Disabled":
            findings.warn(f"GPU {number}: ECC is off, so a flipped bit goes unseen")
        if device["used_mib"].isdigit() and int(device["used_mib"]) > BUSY_MIB:
            findings.warn(
                f"GPU {number}: {device['used_mib']} MiB in use: measured times and memory will not be its own"
            )
    return findings.check(SUBJECT, "gpu")
