"""NVIDIA's driver and cards before torch is asked: everything that keeps a run off a GPU, in one line each.

Read from the kernel's files and from nvidia-smi, in milliseconds; torch itself says of most of it only that there is no
GPU, and of an old driver a paragraph.
"""

from __future__ import annotations

import os
import re
import subprocess
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core import nvml

DRIVER = 580
"""First series of the Linux driver that runs CUDA 13, which the locked torch is built with (CUDA 13 release notes,
"CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility")."""
VERSION_FILE = Path("/proc/driver/nvidia/version")
DEVICE_FILES = Path("/dev")
PCI_DEVICES = Path("/sys/bus/pci/devices")
INSTALL = f"install NVIDIA's driver {DRIVER} or newer"
FIELDS = {
    "index": "index",
    "uuid": "uuid",
    "name": "name",
    "driver": "driver_version",
    "capability": "compute_cap",
    "memory_mib": "memory.total",
    "used_mib": "memory.used",
    "sm_mhz": "clocks.sm",
    "max_sm_mhz": "clocks.max.sm",
    "ecc": "ecc.mode.current",
    "ecc_errors": "ecc.errors.uncorrected.volatile.total",
    "temperature_c": "temperature.gpu",
    "mig": "mig.mode.current",
    "compute_mode": "compute_mode",
}
"""Fields of a card: our name -> that of `nvidia-smi --query-gpu`."""
BUSY_MIB = 2048
"""Memory in use above which somebody else computes there; a driver and its display take a few hundred."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
_NOT_THERE = "nvidia-smi is not there"
_NVIDIA, _DISPLAY = "0x10de", "0x03"
"""Vendor of a PCI device, and beginning of the class of display and 3D controllers."""


@dataclass(frozen=True)
class Smi:
    """An answer of nvidia-smi.

    Attributes:
        cards: the fields of each card, as `FIELDS` names them.
        problem: why there is none, in one line; empty where it has answered.
    """

    cards: tuple[dict[str, str], ...] = ()
    problem: str = ""


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU and its driver; a look at /dev, so it costs nothing."""
    return any(DEVICE_FILES.glob("nvidia[0-9]*")) or (DEVICE_FILES / "dxg").exists()


def driver_version(smi: Smi | None = None) -> str | None:
    """Return the driver's version, e.g. `580.95.05`: from NVML, else from the kernel, else from nvidia-smi.

    Args:
        smi: an answer of nvidia-smi, if there is one already.

    Returns:
        The version; None if none of the three knows.
    """
    if version := nvml.driver_version():
        return version
    try:
        if match := re.search(r"\s(\d{3,}(?:\.\d+)+)\s", VERSION_FILE.read_text(errors="replace")):
            return match[1]
    except OSError:
        pass  # the driver of Windows lends its cards to Linux without that file
    smi = ask_smi() if smi is None else smi
    return next((card["driver"] for card in smi.cards if card["driver"][:1].isdigit()), None)


def is_too_old(version: str | None) -> bool:
    """Return whether this is the version of a driver before `DRIVER`."""
    series = (version or "").partition(".")[0]
    return series.isdigit() and int(series) < DRIVER


def ask_smi() -> Smi:
    """Ask nvidia-smi about each card; whatever it answers instead becomes the problem."""
    text, problem = _smi(f"--query-gpu={','.join(FIELDS.values())}", "--format=csv,noheader,nounits")
    if problem:
        return Smi(problem=problem)
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    cards = tuple(dict(zip(FIELDS, row, strict=True)) for row in rows if len(row) == len(FIELDS))
    odd = next((", ".join(row) for row in rows if len(row) != len(FIELDS)), "")
    if not rows or odd:
        return Smi(cards, f"nvidia-smi: {odd}" if odd else "nvidia-smi names no card")
    return Smi(cards)


def slices() -> tuple[str, ...]:
    """List the MIG slices of all cards by the names that CUDA_VISIBLE_DEVICES takes."""
    text, _problem = _smi("-L")
    return tuple(re.findall(r"UUID: (MIG-[^\s)]+)", text))


def unusable() -> str:
    """Say why torch cannot use a GPU here, and what to do; empty where it can. Loads torch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a paragraph, of which `no_gpu` makes a line
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return no_gpu() or "torch finds no usable GPU, and nothing says why: check nvidia-smi, restart the machine"
    for index in range(count):
        if problem := unsupported(torch.cuda.get_device_capability(index), torch.cuda.get_arch_list()):
            name = torch.cuda.get_device_name(index)
            return f"GPU {index} ({name}): {problem}: leave it out by {VISIBLE}"
    return ""


def no_gpu() -> str:
    """Say why no card can be used here, and what to do; empty where none of the reasons that can be seen holds.

    One line for each of: no card, no driver, one that does not answer, one too old for CUDA 13, and cards that are
    hidden, prohibited or without a slice.
    """
    if not has_gpu():
        return _no_driver()
    smi = ask_smi()
    return hidden_cards(smi) or _driver_problem(smi) or _cards_problem(smi)


def hidden_cards(smi: Smi | None = None) -> str:
    """Say whether CUDA_VISIBLE_DEVICES hides every card, or names one that is not there; empty where it does not.

    CUDA takes the names up to the first that it does not know, and no others.

    Args:
        smi: an answer, if there is one already; asked only where the variable is set.
    """
    value = os.environ.get(VISIBLE)
    if value is None:
        return ""
    words = [word.strip() for word in value.split(",")]
    if words[0] in {"", "-1", "NoDevFiles", "none", "void"}:
        return f"{VISIBLE}={value!r} hides every card: unset it, or name cards by number or UUID"
    smi = ask_smi() if smi is None else smi
    if smi.problem:
        return ""
    granted = words[: words.index("-1")] if "-1" in words else words
    strange = [word for word in granted if not _names_one(word, smi.cards)]
    if not strange:
        return ""
    choices = ", ".join([*(f"{card['index']} or {card['uuid']}" for card in smi.cards), *slices()])
    return f"{VISIBLE}={value!r}: expected cards of this machine ({choices}), got {strange[0]!r}"


def unsupported(capability: tuple[int, int], built_for: Iterable[str]) -> str:
    """Say that a build of torch has no code for a card; empty where it has.

    Args:
        capability: compute capability of the card.
        built_for: as `torch.cuda.get_arch_list()` names them: `sm_90` runs on 9.x from 9.0 on, `compute_90` on all
            later ones.
    """
    number = 10 * capability[0] + capability[1]
    architectures = [re.match(r"(sm|compute)_(\d+)", name) for name in built_for]
    pairs = [(match[1], int(match[2])) for match in architectures if match]
    if not pairs or any(n <= number and (kind == "compute" or n // 10 == capability[0]) for kind, n in pairs):
        return ""
    least = min(n for _kind, n in pairs)
    return (
        f"compute capability {capability[0]}.{capability[1]}: this torch has code for {least // 10}.{least % 10} to "
        f"{max(n for _kind, n in pairs) / 10:.1f}"
    )


def remarks(cards: Sequence[dict[str, str]]) -> tuple[list[str], list[str]]:
    """List what spoils a measurement on these cards: what is wrong, and what a reader should know."""
    wrong, worth_knowing = [], []
    for card in cards:
        name = f"GPU {card['index']}"
        if card["ecc_errors"].isdigit() and int(card["ecc_errors"]):
            wrong.append(f"{name}: {card['ecc_errors']} uncorrected ECC errors: its memory fails: use another card")
        if card["ecc"] == "Disabled":
            worth_knowing.append(f"{name}: ECC is off, so a flipped bit goes unseen")
        if card["used_mib"].isdigit() and int(card["used_mib"]) > BUSY_MIB:
            worth_knowing.append(
                f"{name}: {card['used_mib']} MiB in use by others: measured times and memory will not be its own"
            )
        if card["mig"] == "Enabled":
            worth_knowing.append(
                f"{name}: in MIG mode: a process gets one slice: name it in {VISIBLE} ({', '.join(slices()) or 'none'})"
            )
        if card["compute_mode"] in {"Prohibited", "Exclusive_Process"}:
            worth_knowing.append(f"{name}: compute mode {card['compute_mode']}: sudo nvidia-smi -c DEFAULT")
    return wrong, worth_knowing


def _names_one(word: str, cards: Sequence[dict[str, str]]) -> bool:
    if word.isdigit():
        return int(word) < max(len(cards), 1)
    if word.startswith("MIG-"):
        # a slice by its UUID, or by its card's and the numbers of its instances
        return any(name.startswith(word) for name in slices()) or word.startswith("MIG-GPU-")
    return word.startswith("GPU-") and sum(card["uuid"].startswith(word) for card in cards) == 1


def _no_driver() -> str:
    addresses = _pci()
    if not addresses:
        return "no NVIDIA GPU on this machine"
    return f"no NVIDIA driver for the card at {' and '.join(addresses)}: {INSTALL}"


def _driver_problem(smi: Smi) -> str:
    version = driver_version(smi)
    if is_too_old(version):
        return f"the NVIDIA driver is too old: expected {DRIVER} or newer, for CUDA 13, got {version}: {INSTALL}"
    if "mismatch" in smi.problem.lower():
        return f"{smi.problem}: the driver was updated while it was at work: restart the machine"
    if smi.problem and smi.problem != _NOT_THERE:
        return f"the NVIDIA driver does not answer: {smi.problem}: restart the machine, or install the driver again"
    return ""


def _cards_problem(smi: Smi) -> str:
    if {card["compute_mode"] for card in smi.cards} == {"Prohibited"}:
        return "every card is in compute mode Prohibited: sudo nvidia-smi -c DEFAULT"
    if {card["mig"] for card in smi.cards} == {"Enabled"} and not slices():
        return "every card is in MIG mode and has no slice: sudo nvidia-smi mig -cgi 0 -C, or sudo nvidia-smi -mig 0"
    return ""


def _pci() -> list[str]:
    """List the PCI addresses of NVIDIA's display and 3D controllers, with a driver or without."""
    addresses = []
    for device in sorted(PCI_DEVICES.glob("*")):
        try:
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            addresses.append(device.name)
    return addresses


def _smi(*arguments: str) -> tuple[str, str]:
    """Return the output of nvidia-smi, and its complaint in one line."""
    try:
        process = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, text=True, timeout=20, check=False, errors="replace"
        )
    except FileNotFoundError:
        return "", _NOT_THERE
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"nvidia-smi does not answer ({type(error).__name__})"
    lines = [line.strip() for line in (process.stdout + process.stderr).splitlines() if line.strip()]
    if process.returncode or lines[:1] == ["No devices were found"]:
        return "", f"nvidia-smi: {lines[0] if lines else f'exit code {process.returncode}'}"
    return process.stdout, ""
