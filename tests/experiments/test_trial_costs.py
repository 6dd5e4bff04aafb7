"""A stored result tells what its trial took, and the report passes it on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from suite.experiments.context import Context, Outcome
from suite.experiments.judge import Trial
from suite.report.from_results import cost_of
from suite.results.records import Result
from tests.support.stand_in_gpu import StandInGpu


def encoded(trial: Context) -> Outcome:  # type: ignore[type-arg]
    for count in (3, 4):
        trial.encoder(torch.zeros(count, 3, 32, 32))
    return Outcome({"encoded/ap": [50.0]})


def stored(trial: Trial) -> Result:
    trial.measure(encoded)
    result = trial.store.load(trial.key)
    assert result is not None
    return result


def test_a_result_tells_the_images_that_its_encoder_was_given(trial: Trial) -> None:
    result = stored(trial)
    assert result.facts["images"] == 7
    assert result.facts["images_per_second"] > 0
    assert 0 < result.facts["start_memory_mib"] <= result.facts["peak_memory_mib"]
    assert not trial.encoder._forward_pre_hooks


def test_the_report_gains_no_gpu_where_there_was_none(trial: Trial) -> None:
    cost = cost_of(stored(trial), reused=False)
    assert cost["images"] == 7
    assert "gpu" not in cost


def test_a_result_of_a_gpu_tells_of_it_in_its_file_and_in_the_report(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.inputs()
    monkeypatch.setattr("suite.experiments.context.environment_of", lambda _: {"packages": {}, "device": {}})
    _ = trial.encoder  # on the CPU
    trial.request = replace(trial.request, device="cuda")
    StandInGpu().install(monkeypatch)
    cost = cost_of(stored(trial), reused=False)
    assert cost["gpu"] == {
        "model": "Stand-In 9000",
        "driver": "580.95.05",
        "start_allocated_mib": 100,
        "peak_allocated_mib": 100,
        "peak_reserved_mib": 100,
        "energy_j": 0.0,
        "mean_power_w": 0.0,
        "peak_power_w": 250.0,
    }


def test_results_of_before_these_facts_are_still_told(trial: Trial) -> None:
    result = stored(trial)
    names = ("start_memory_mib", "images", "images_per_second")
    old = replace(result, facts={name: fact for name, fact in result.facts.items() if name not in names})
    cost = cost_of(old, reused=True)
    assert [cost[name] for name in names] == [None] * 3
    assert cost["peak_memory_mib"] == result.facts["peak_memory_mib"]
