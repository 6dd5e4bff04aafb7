"""Checks of the machine: Python, processor, memory, GPU; what spoils a measurement is said before it is made."""

from __future__ import annotations

import sys
from typing import Any

from suite.core.environment import capture
from suite.core.nvidia import DRIVER, ask_smi, driver_version, hidden_cards, is_too_old, remarks, unusable
from suite.verification.outcome import Check, Findings

SUBJECT = "environment"
PYTHONS = ((3, 11), (3, 12), (3, 13))
MEMORY_MIB = 3000
"""Memory that the mini study's processes take together on two cores, measured, and some for the system."""


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


def gpu(profile: str = "mini") -> Check:
    """Check that PyTorch can use it, and would measure well: driver, ECC errors, MIG, others' processes."""
    if reason := unusable():
        needed = profile == "paper"  # the mini study needs none
        return Check(SUBJECT, "gpu", "missing" if needed else "no reference", reason)
    facts: dict[str, Any] = capture("cuda")["gpu"]
    findings = Findings()
    findings.say(f"{facts['name']}, {facts['memory_mib']} MiB, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}")
    smi = ask_smi()
    if is_too_old(version := driver_version(smi)):  # a container brings libraries for some cards
        findings.warn(f"driver {version} is older than {DRIVER}: it works by CUDA's forward compatibility")
    if smi.problem:
        findings.no_reference(f"clocks, ECC and others' use unknown: {smi.problem}")
    if problem := hidden_cards(smi):
        findings.warn(problem)
    for card in smi.cards:
        clocks = f"{card['sm_mhz']} of {card['max_sm_mhz']} MHz"
        findings.say(f"GPU {card['index']}: driver {card['driver']}, {clocks}, ECC {card['ecc']}, MIG {card['mig']}")
    failing, spoiling = remarks(smi.cards)
    for text in failing:
        findings.problem("GPU with uncorrected ECC errors", text)
    for text in spoiling:
        findings.warn(text)
    return findings.check(SUBJECT, "gpu")


def kernel() -> Check:
    """Check that Triton can compile and load what its kernels need; without it the loss is computed more slowly."""
    if reason := unusable():
        return Check(SUBJECT, "kernel", "no reference", reason)
    from suite.segmentation import toolchain

    try:
        toolchain.build_stub()
    except Exception as error:  # whatever it is: the kernel is a gain, never a condition
        return Check(SUBJECT, "kernel", "warning", f"the GPU kernel will not be used: {toolchain.reason(error)}")
    return Check(SUBJECT, "kernel", "passed", "Triton's stub compiles and loads")
