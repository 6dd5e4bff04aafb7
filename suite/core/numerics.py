"""Conditions besides weights, data, protocol and code that can change a bit of a number: packages, device, precision.

The sums behind a number are rounded in the order in which a library's kernels add, and kernels are chosen by version,
by instruction set and by GPU. So this description is an input of every result, and part of the name of everything that
is kept for later. The number of threads is not: results do not depend on it. Reading a description needs no torch.
"""

from __future__ import annotations

import functools
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.core.digests import digest_of
from suite.core.environment import package_versions

if TYPE_CHECKING:
    import torch

Environment = Mapping[str, Any]
"""Description as `environment_of` makes it: JSON's types only, so that it is the same after a file."""

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "scipy")
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_MAX_CPU_ISA",
    "GLIBC_TUNABLES",
    "MKL_CBWR",
    "MKL_DISABLE_FAST_MM",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TIMM_FUSED_ATTN",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "TORCH_CUDNN_V8_API_DISABLED",
)
"""Variables by which a user chooses kernels."""
_VECTORS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
"""Beginnings of the flags of instruction sets that compute on vectors; others change no sum."""


def environment_of(device: str | torch.device) -> dict[str, Any]:
    """Describe what a number made now, in this process, on `device` depends on.

    Python counts with its minor version: from 3.12 on `sum` adds floats more exactly. On a CPU its model and vector
    instructions count, since BLAS libraries choose kernels by both. On GPUs their models count, all that this process
    may use, so that all processes of a run say the same; of the CPU beside them, which reads images and sums up scores,
    only its architecture and the instruction set in use.

    Args:
        device: `cpu`, `cuda` or `cuda:1`, or torch's.

    Returns:
        `python`, `packages` (name -> version), `torch_build`, `jpeg`, `device` (`kind`, `model`, ...), `precision`,
        `variables` (those of `VARIABLES` that are set).
    """
    kind = str(device).partition(":")[0]
    description = {name: dict(value) if isinstance(value, dict) else value for name, value in _fixed(kind).items()}
    return description | {
        "precision": _precision(kind),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


@functools.cache
def _fixed(kind: str) -> dict[str, Any]:
    """Return what stays as long as the process; asked for by every trial."""
    import torch
    from PIL import features

    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": package_versions(PACKAGES),
        "torch_build": str(torch.__version__),
        "jpeg": features.version("libjpeg_turbo") or features.version("jpg"),
        "device": _gpu() if kind == "cuda" else _cpu(kind),
    }


def _cpu(kind: str) -> dict[str, Any]:
    model = cpu_model()
    return {"kind": kind, "model": model["model"], **_instructions(), "vectors": model["vectors"]}


def cpu_model() -> dict[str, str]:
    """Return the model and vector instructions of the CPU, by which BLAS libraries choose kernels."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""

    def fact(name: str) -> str:
        match = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
        return match[1].strip() if match else ""

    flags = (fact("flags") or fact("Features")).split()
    name = fact("model name") or platform.processor() or platform.machine()
    # several generations go by one name in virtual machines, which is what libraries choose kernels by
    family = " ".join(filter(None, map(fact, ("vendor_id", "cpu family", "model"))))
    return {
        "model": f"{name} ({family})" if family else name,
        "vectors": " ".join(sorted({flag for flag in flags if flag.startswith(_VECTORS)})),
    }


def _gpu() -> dict[str, Any]:
    import torch

    devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return {
        "kind": "cuda",
        "model": " and ".join(sorted({f"{device.name} ({device.major}.{device.minor})" for device in devices})),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        **_instructions(),
    }


def _instructions() -> dict[str, str]:
    import torch

    return {"architecture": platform.machine(), "instructions": torch.backends.cpu.get_cpu_capability()}


def _precision(kind: str) -> dict[str, Any]:
    """Return the settings that a process may change; see `suite.core.precision`."""
    import torch

    settings: dict[str, Any] = {
        "float32_products": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    if kind == "cuda":
        settings |= {
            "tf32_products": torch.backends.cuda.matmul.allow_tf32,
            "tf32_convolutions": torch.backends.cudnn.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        }
    return settings


def digest_of_environment(environment: Environment) -> str:
    """Return the SHA-256 of a description."""
    return digest_of(dict(environment))


def device_model(environment: Environment) -> str:
    """Return the CPU's or GPU's model, e.g. `NVIDIA H100 80GB HBM3 (9.0)`, `AMD EPYC (AuthenticAMD 25 17)`."""
    return str(environment["device"].get("model") or "unknown device")


def environment_line(environment: Environment) -> str:
    """Return an environment in one line: device, then packages."""
    device, packages = environment.get("device", {}), environment.get("packages", {})
    device_facts = [str(device.get("model") or device.get("kind") or "unknown device")]
    device_facts += [f"CUDA {device['cuda']}"] if device.get("cuda") else []
    device_facts += [str(device["instructions"])] if device.get("instructions") else []
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    return f"{', '.join(device_facts)}; {versions or 'no packages noted'}"


def differences(environment: Environment, other: Environment) -> list[str]:
    """Return what two descriptions say differently: `packages.torch 2.5.0, not 2.14.1`, the other's value last."""
    facts, other_facts = _flat(environment), _flat(other)
    return [
        f"{key} {facts.get(key)}, not {other_facts.get(key)}"
        for key in sorted(facts | other_facts)
        if facts.get(key) != other_facts.get(key)
    ]


def _flat(facts: Environment) -> dict[str, Any]:
    flat_facts: dict[str, Any] = {}
    for key, value in facts.items():
        flat_facts |= (
            {f"{key}.{name}": v for name, v in _flat(value).items()} if isinstance(value, Mapping) else {key: value}
        )
    return flat_facts
