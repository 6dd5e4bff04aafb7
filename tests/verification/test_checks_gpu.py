"""The checks of the GPU: each state in one line, red for what fails, never green for what cannot be seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from suite.container import engine
from suite.segmentation import toolchain
from suite.verification import determinism, machine, quick
from suite.verification.outcome import Check
from tests.support.nvidia_machine import Machine, nvidia_machine

FACTS = {"name": "H200", "memory_mib": 143771, "driver": "580.1", "cuda": "13.0", "cudnn": 91000, "reason": None}
SAID = "H200, 143771 MiB, CUDA 13.0, cuDNN 91000"
CLOCKS = "GPU 0: driver {driver}, 1980 of 1980 MHz, ECC {ecc}, MIG Disabled"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose one card torch can use."""
    monkeypatch.setattr(machine, "capture", lambda _device: {"gpu": FACTS})
    monkeypatch.setattr(machine, "unusable", lambda: "")
    return nvidia_machine(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("card", "status", "detail"),
    [
        ({}, "passed", f"{SAID}; {CLOCKS.format(driver='580.95.05', ecc='Enabled')}"),
        (
            {"used_mib": "9000"},
            "warning",
            f"{SAID}; {CLOCKS.format(driver='580.95.05', ecc='Enabled')}; "
            "GPU 0: 9000 MiB in use by others: measured times and memory will not be its own",
        ),
        (
            {"ecc": "Disabled", "ecc_errors": "[N/A]"},
            "warning",
            f"{SAID}; {CLOCKS.format(driver='580.95.05', ecc='Disabled')}; "
            "GPU 0: ECC is off, so a flipped bit goes unseen",
        ),
        ({"ecc_errors": "2"}, "failed", "1 GPU with uncorrected ECC errors"),
    ],
)
def test_a_gpu_is_looked_at(card: dict[str, str], status: str, detail: str, stand_in: Machine) -> None:
    stand_in.has(card)
    check = machine.gpu()
    assert (check.status, check.detail) == (status, detail)


def test_an_old_driver_that_works_and_an_unknown_one_are_told(stand_in: Machine) -> None:
    stand_in.has({"driver": "570.86.15"}, version="570.86.15")
    assert machine.gpu().detail == (
        f"{SAID}; driver 570.86.15 is older than 580: it works by CUDA's forward compatibility; "
        f"{CLOCKS.format(driver='570.86.15', ecc='Enabled')}"
    )
    (stand_in.folder / "bin" / "nvidia-smi").unlink()
    (stand_in.folder / "version").unlink()
    check = machine.gpu()
    assert (check.status, check.detail) == (
        "no reference",
        f"{SAID}; clocks, ECC and others' use unknown: nvidia-smi is not there",
    )


def test_without_a_gpu_the_mini_study_misses_nothing_and_the_paper_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_machine(tmp_path, monkeypatch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    reason = "no NVIDIA GPU on this machine"
    assert machine.gpu("mini") == Check("environment", "gpu", "no reference", reason)
    assert machine.gpu("paper") == Check("environment", "gpu", "missing", reason)
    assert machine.kernel() == Check("environment", "kernel", "no reference", reason)
    (check,) = determinism.determinism("cuda")
    assert check.status == "no reference"


def test_a_kernel_that_cannot_be_compiled_is_a_warning(stand_in: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "build_stub", lambda: None)
    assert machine.kernel() == Check("environment", "kernel", "passed", "Triton's stub compiles and loads")

    def fail() -> None:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(toolchain, "build_stub", fail)
    monkeypatch.delenv("CC", raising=False)
    assert machine.kernel() == Check(
        "environment",
        "kernel",
        "warning",
        "the GPU kernel will not be used: no C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)",
    )


def test_a_run_says_before_it_starts_what_spoils_its_measurements(
    stand_in: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.has({"used_mib": "9000"})
    monkeypatch.setattr(quick, "quick", lambda profile, _device: [machine.gpu(profile)])
    quick.check_environment(tmp_path, "mini", "cuda")
    printed = capsys.readouterr().err
    assert printed.startswith(f"warning: environment gpu: warning: {SAID}; GPU 0: driver 580.95.05")
    assert printed.endswith("GPU 0: 9000 MiB in use by others: measured times and memory will not be its own\n")


class Daemon:
    """A Docker daemon that tells what it can hand over."""

    def __init__(self, info: dict[str, object]) -> None:
        self.info: Callable[[], dict[str, object]] = lambda: info


CONFIGURE = "sudo nvidia-ctk runtime configure --runtime=docker, then restart Docker"


@pytest.mark.parametrize(
    ("info", "tools", "status", "detail"),
    [
        ({}, [], "warning", f"Docker has no NVIDIA runtime: install the NVIDIA Container Toolkit, {CONFIGURE}"),
        (
            {},
            ["nvidia-ctk"],
            "warning",
            "the NVIDIA Container Toolkit is there, but Docker has neither its runtime nor its devices (CDI): "
            f"{CONFIGURE}",
        ),
        ({"Runtimes": {"nvidia": {}}}, [], "passed", "Docker can hand over the GPU"),
        ({"DiscoveredDevices": [{"ID": "nvidia.com/gpu=all"}]}, [], "passed", "Docker can hand over the GPU"),
    ],
)
def test_a_toolkit_that_is_missing_or_unknown_to_docker_is_named(
    info: dict[str, object],
    tools: list[str],
    status: str,
    detail: str,
    stand_in: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "connect", lambda: Daemon(info))
    monkeypatch.setattr(engine.shutil, "which", lambda name: name if name in tools else None)
    assert engine.toolkit() == ("no reference", "no NVIDIA GPU on this machine")
    stand_in.has({})
    assert engine.toolkit() == (status, detail)
