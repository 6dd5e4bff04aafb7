"""What one trial takes of machine and GPU, without what trials before it took in the same process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from suite.core import nvml, usage
from suite.core.nvidia import FIELDS, driver_version
from suite.core.paths import ROOT
from suite.core.usage import Usage
from tests.support.stand_in_gpu import StandInGpu

EARLIER_TRIAL = """
from suite.core.memory import mark_memory
blocks = [bytearray(50_000) for _ in range(6_000)]  # 300 MB of the heap, which malloc keeps when they are freed
pin = bytearray(50_000)
del blocks
{look}
"""


def mebibytes(look: str) -> float:
    command = [sys.executable, "-c", EARLIER_TRIAL.format(look=look)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout) / 2**20


def test_memory_that_an_earlier_trial_freed_is_not_told_again() -> None:
    assert mebibytes("print(mark_memory().peak())") < 150


def test_memory_of_the_block_is_told_although_it_was_freed() -> None:
    look = "mark = mark_memory(); block = bytearray(200 * 2**20); del block; print(mark.peak() - mark.start)"
    assert 200 <= mebibytes(look) < 230


def test_a_trial_on_the_cpu_tells_memory_and_images_and_no_gpu() -> None:
    with Usage("cpu") as taken:
        taken.images += 30
        time.sleep(0.05)
        facts = taken.facts()
    assert sorted(facts) == ["images", "images_per_second", "peak_memory_mib", "start_memory_mib"]
    assert facts["peak_memory_mib"] >= facts["start_memory_mib"] > 0
    assert facts["images"] == 30
    assert 100 < facts["images_per_second"] < 600


def test_a_trial_without_images_has_no_rate() -> None:
    with Usage("cpu") as taken:
        facts = taken.facts()
    assert facts["images"] == 0
    assert facts["images_per_second"] is None


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_trial_on_a_gpu_tells_its_own_memory_energy_and_power(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = StandInGpu()
    gpu.install(monkeypatch)
    gpu.take(4000)  # an earlier trial's peak
    now = iter([0.0, 0.0, 10.0, 10.0])
    monkeypatch.setattr(usage.time, "perf_counter", lambda: next(now))
    with Usage(device) as taken:
        gpu.take(900)
        gpu.millijoules += 2_500_000
        taken.images = 5_000
        facts = taken.facts()
    assert facts["images_per_second"] == 500.0
    assert facts["gpu"] == {
        "model": "Stand-In 9000",
        "driver": "580.95.05",
        "start_allocated_mib": 100,
        "peak_allocated_mib": 1000,
        "peak_reserved_mib": 1000,
        "energy_j": 2500.0,
        "mean_power_w": 250.0,
        "peak_power_w": 250.0,
    }
    assert gpu.calls == ["synchronize", "empty_cache", "reset", "synchronize"]


def test_the_highest_power_of_the_trial_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = StandInGpu()
    gpu.install(monkeypatch)
    monkeypatch.setattr(usage, "SAMPLE_S", 0.001)
    with Usage("cuda") as taken:
        gpu.milliwatts = 700_000
        time.sleep(0.2)
        gpu.milliwatts = 90_000
        assert taken.facts()["gpu"]["peak_power_w"] == 700.0


def test_where_the_driver_does_not_answer_memory_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = StandInGpu()
    gpu.install(monkeypatch, driver_answers=False)
    monkeypatch.setattr(usage, "driver_version", lambda: None)
    with Usage("cuda") as taken:
        gpu.take(900)
        facts = taken.facts()["gpu"]
    assert facts["peak_allocated_mib"] == 1000
    assert [facts[name] for name in ("driver", "energy_j", "mean_power_w", "peak_power_w")] == [None] * 4


def test_a_card_that_counts_no_energy_tells_its_power(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = StandInGpu()
    gpu.install(monkeypatch)
    monkeypatch.setattr(nvml.Meter, "energy_j", lambda _self: None)
    with Usage("cuda") as taken:
        facts = taken.facts()["gpu"]
    assert (facts["energy_j"], facts["mean_power_w"], facts["peak_power_w"]) == (None, None, 250.0)


def test_the_power_is_looked_at_no_more_when_a_trial_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInGpu().install(monkeypatch)
    taken = Usage("cuda")
    with pytest.raises(ValueError, match="no"), taken:
        raise ValueError("no")
    assert taken._gpu is not None
    assert not taken._gpu._thread.is_alive()


def test_the_driver_is_asked_first_and_its_program_second(monkeypatch: pytest.MonkeyPatch) -> None:
    StandInGpu().install(monkeypatch)
    assert driver_version() == "580.95.05"
    StandInGpu().install(monkeypatch, driver_answers=False)
    monkeypatch.setattr("suite.core.nvidia._smi", lambda *_: (", ".join(["575.10"] * len(FIELDS)), ""))
    assert driver_version() == "575.10"


def test_a_mig_instance_is_met_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []
    monkeypatch.setattr(nvml, "_ask", lambda question, *names: questions.append(f"{question} {names}"))
    nvml.Meter("MIG-aa")
    nvml.Meter("bb")
    assert questions == [f"nvmlDeviceGetHandleByUUID ('{name}',)" for name in ("MIG-aa", "GPU-bb", "MIG-bb")]
