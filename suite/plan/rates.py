"""Durations of operations on this device, remembered between plans."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from suite.core.files import write_json
from suite.core.source_code import code_digest
from suite.errors import RequestError
from suite.experiments.costs.job import Job, Operation

_CODE = (
    *("suite.encoders", "suite.features", "suite.metrics.ranking", "suite.probes.bank"),
    *("suite.segmentation.train", "suite.segmentation.evaluate", "suite.imagenet_pipeline.tokens"),
)
"""Code whose speed was measured: rates of other code are forgotten."""


@dataclass
class Rates:
    """Seconds for one unit of each operation, of a single process with `threads` threads.

    Attributes:
        path: where they are remembered.
        seconds: by the operation's text.
        derived: operations whose rate follows from a measured one by floating-point operations.
        flops_per_s: of the encoders, where nothing else is known of a card: what else takes time counts nothing.
    """

    path: Path
    seconds: dict[str, float] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)
    flops_per_s: float | None = None

    def time(self, amounts: Mapping[Operation, float]) -> float | None:
        """Return seconds of some work; None where the rate of a part is unknown."""
        if any(count and str(operation) not in self.seconds for operation, count in amounts.items()):
            return None
        return sum(count * self.seconds[str(operation)] for operation, count in amounts.items() if count)

    def save(self) -> None:
        """Remember them.

        Raises:
            StorageError: the cache cannot be written.
        """
        write_json(self.path, {"seconds": self.seconds, "derived": sorted(self.derived)})


def load_rates(cache: Path, device: str, threads: int) -> Rates:
    """Load the rates remembered for this machine's device; none where there are none, or the code has changed."""
    path = cache / "plan" / f"{device_name(device, threads)} {_code()}.json"
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, TypeError):
        return Rates(path)


def rates_elsewhere(cache: Path, text: str) -> Rates:
    """Return the rates of a device that is not here.

    Args:
        cache: where plans remember rates.
        text: `250TFLOP/s`; a file like those in `cache/plan`; or the beginning of one's name there: `NVIDIA H100`.

    Raises:
        RequestError: it is none of them, or the name is that of several.
    """
    number = re.fullmatch(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*TFLOP/s\s*", text)
    if number:
        if not float(number[1]):
            raise RequestError(f"--rates {text!r}: expected more than 0 TFLOP/s")
        return Rates(Path(text), flops_per_s=float(number[1]) * 1e12)
    path = Path(text)
    if not path.is_file():
        remembered = sorted((cache / "plan").glob(f"* {_code()}.json"))
        chosen = [path for path in remembered if path.name.lower().startswith(text.lower())]
        if len(chosen) != 1:
            names = ", ".join(path.stem for path in chosen or remembered) or "none"
            raise RequestError(
                f"--rates {text!r}: expected so many TFLOP/s (250TFLOP/s), a file, or the name of one card that this "
                f"code has measured; {cache / 'plan'} has {names}"
            )
        path = chosen[0]
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{path}: expected rates as plan remembers them: {error}") from error


def _code() -> str:
    return code_digest(*_CODE)[:12]


def _read(path: Path) -> Rates:
    record = json.loads(path.read_text())
    seconds = {str(operation): float(value) for operation, value in record["seconds"].items()}
    return Rates(path, seconds, set(record["derived"]))


def device_name(device: str, threads: int) -> str:
    """Name the device, as far as speed depends on it, as a file's name."""
    model = torch.cuda.get_device_name() if device == "cuda" else f"{_processor()} x{threads}"
    return "".join(c if c.isalnum() or c in " .-" else "-" for c in f"{model} torch {torch.__version__}")


def seconds_of(job: Job, rates: Rates, *, device: str, threads: int) -> float | None:
    """Return seconds of a job: on a GPU reading goes on beside the encoder, on a CPU both need the same cores.

    Args:
        job: the work.
        rates: of its operations.
        device: where the encoder runs.
        threads: cores that a process has for itself.
    """
    if rates.flops_per_s is not None:
        return job.flops / rates.flops_per_s / job.devices
    steps, reading = rates.time(job.steps), rates.time(job.reading)
    if steps is None or reading is None:
        return None
    reading /= threads
    return (max(steps, reading) if device == "cuda" else steps + reading) / job.devices


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
