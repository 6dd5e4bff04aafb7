"""Everything that keeps a run off a GPU is said in one line, with what to do, on a machine of stand-ins."""

import re
from pathlib import Path

import pytest

from suite.core import nvidia
from suite.core.environment import LOCK, locked_versions
from tests.support.nvidia_machine import H200, Machine, nvidia_machine

UUID = H200["uuid"]
SLICE = "MIG-11111111-2222-3333-4444-555555555555"
LISTED = f"GPU 0: NVIDIA H200 (UUID: {UUID})\n  MIG 1g.18gb Device 0: (UUID: {SLICE})"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return nvidia_machine(tmp_path, monkeypatch)


def test_the_driver_asked_for_is_that_of_the_locked_cuda() -> None:
    (version,) = locked_versions(LOCK.read_text())["nvidia-cuda-runtime"]
    assert {"12": 525, "13": 580}[version.partition(".")[0]] == nvidia.DRIVER


def test_a_card_that_can_be_used_has_no_line(machine: Machine) -> None:
    machine.has({})
    assert nvidia.no_gpu() == ""
    (machine.folder / "bin" / "nvidia-smi").unlink()
    assert nvidia.no_gpu() == "", "a container may have the driver's library without it"


def test_no_card_and_no_driver(machine: Machine) -> None:
    machine.has_pci("0000:00:02.0", vendor="0x8086", kind="0x030000")
    machine.has_pci("0000:01:00.1", kind="0x040300")  # the sound of a card
    assert nvidia.no_gpu() == "no NVIDIA GPU on this machine"
    machine.has_pci("0000:01:00.0")
    assert nvidia.no_gpu() == ("no NVIDIA driver for the card at 0000:01:00.0: install NVIDIA's driver 580 or newer")


@pytest.mark.parametrize("version", ["570.172.08", "535.54.03", "470.82"])
def test_a_driver_that_is_too_old(version: str, machine: Machine) -> None:
    machine.has({"driver": version}, version=version)
    line = (
        f"the NVIDIA driver is too old: expected 580 or newer, for CUDA 13, got {version}: "
        "install NVIDIA's driver 580 or newer"
    )
    assert nvidia.no_gpu() == line
    (machine.folder / "version").unlink()  # as under Windows
    assert nvidia.no_gpu() == line


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95",
            18,
            "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch: the driver was updated while it "
            "was at work: restart the machine",
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            9,
            "the NVIDIA driver does not answer: nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with "
            "the NVIDIA driver.: restart the machine, or install the driver again",
        ),
        (
            "No devices were found",
            0,
            "the NVIDIA driver does not answer: nvidia-smi: No devices were found: restart the machine, or install the "
            "driver again",
        ),
        (
            "Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error",
            0,
            "the NVIDIA driver does not answer: nvidia-smi: Unable to determine the device handle for GPU 0000:01:00.0"
            ": Unknown Error: restart the machine, or install the driver again",
        ),
    ],
)
def test_a_driver_that_does_not_answer(text: str, code: int, line: str, machine: Machine) -> None:
    machine.has({})
    machine.answers(text, code=code)
    assert nvidia.no_gpu() == line


@pytest.mark.parametrize("value", ["", "-1", " ", ",0", "NoDevFiles"])
def test_a_variable_that_hides_every_card(value: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has({})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert nvidia.no_gpu() == (
        f"CUDA_VISIBLE_DEVICES={value!r} hides every card: unset it, or name cards by number or UUID"
    )


@pytest.mark.parametrize("value", ["0", "0,1", "1,0", UUID, "GPU-8f3b", f"{SLICE}", f"MIG-{UUID}/1/0", "0,-1,7"])
def test_a_variable_that_names_cards(value: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has({}, {"index": "1", "uuid": "GPU-9"}, listed=LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert nvidia.no_gpu() == ""


@pytest.mark.parametrize(
    ("value", "strange"),
    [("2", "2"), ("GPU-7", "GPU-7"), ("0,GPU-7", "GPU-7"), ("GPU-", "GPU-"), ("first", "first"), ("MIG-7", "MIG-7")],
)
def test_a_variable_that_names_no_card(
    value: str, strange: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has({}, {"index": "1", "uuid": "GPU-9"}, listed=LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert nvidia.no_gpu() == (
        f"CUDA_VISIBLE_DEVICES={value!r}: expected cards of this machine (0 or {UUID}, 1 or GPU-9, {SLICE}), "
        f"got {strange!r}"
    )


def test_mig_mode_without_a_slice_and_compute_mode_prohibited(machine: Machine) -> None:
    machine.has({"mig": "Enabled"})
    assert nvidia.no_gpu() == (
        "every card is in MIG mode and has no slice: sudo nvidia-smi mig -cgi 0 -C, or sudo nvidia-smi -mig 0"
    )
    machine.has({"mig": "Enabled"}, listed=LISTED)
    assert nvidia.no_gpu() == ""
    machine.has({"compute_mode": "Prohibited"})
    assert nvidia.no_gpu() == "every card is in compute mode Prohibited: sudo nvidia-smi -c DEFAULT"


BUILT_FOR = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (10, 3), (12, 1)])
def test_a_card_that_this_torch_has_code_for(capability: tuple[int, int]) -> None:
    assert nvidia.unsupported(capability, BUILT_FOR) == ""


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (11, 0), (13, 0)])
def test_a_card_that_this_torch_has_no_code_for(capability: tuple[int, int]) -> None:
    major, minor = capability
    assert nvidia.unsupported(capability, BUILT_FOR) == (
        f"compute capability {major}.{minor}: this torch has code for 7.5 to 12.0"
    )
    assert nvidia.unsupported(capability, [*BUILT_FOR, "compute_60"]) == "", "which the driver compiles for it"


def test_torch_is_asked_last(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert nvidia.unusable() == "no NVIDIA GPU on this machine"
    machine.has({})
    assert nvidia.unusable() == (
        "torch finds no usable GPU, and nothing says why: check nvidia-smi, restart the machine"
    )
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: BUILT_FOR)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _index: "Tesla V100")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda index: ((9, 0), (7, 0))[index])
    assert nvidia.unusable() == (
        "GPU 1 (Tesla V100): compute capability 7.0: this torch has code for 7.5 to 12.0: "
        "leave it out by CUDA_VISIBLE_DEVICES"
    )
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _index: (9, 0))
    assert nvidia.unusable() == ""


def test_what_spoils_a_measurement_has_a_line_for_each_card(machine: Machine) -> None:
    machine.has(
        {"ecc_errors": "2"},
        {"index": "1", "ecc": "Disabled", "ecc_errors": "[N/A]", "used_mib": "9000"},
        {"index": "2", "mig": "Enabled", "compute_mode": "Exclusive_Process", "used_mib": "[N/A]"},
        listed=LISTED,
    )
    assert nvidia.remarks(nvidia.ask_smi().cards) == (
        ["GPU 0: 2 uncorrected ECC errors: its memory fails: use another card"],
        [
            "GPU 1: ECC is off, so a flipped bit goes unseen",
            "GPU 1: 9000 MiB in use by others: measured times and memory will not be its own",
            f"GPU 2: in MIG mode: a process gets one slice: name it in CUDA_VISIBLE_DEVICES ({SLICE})",
            "GPU 2: compute mode Exclusive_Process: sudo nvidia-smi -c DEFAULT",
        ],
    )


def test_the_documentation_names_the_driver() -> None:
    from suite.core.paths import DOCS, ROOT

    for page in (ROOT / "README.md", DOCS / "how-to" / "container.md"):
        assert re.search(rf"driver {nvidia.DRIVER} or newer", page.read_text()), page
