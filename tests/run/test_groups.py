"""Trials that train side by side go to one process, however many there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from suite.core.paths import ROOT
from suite.run import groups
from suite.run.groups import groups_of, processes_for
from suite.run.request import Request, make_request


def asked(tmp_path: Path, **options: object) -> Request:
    return make_request(device="cpu", run=tmp_path / "run", **options)


def test_heads_of_the_same_images_are_one_group(tmp_path: Path) -> None:
    experiments = ["object_segmentation", "part_segmentation", "learning_rate_sweep", "part_retrieval"]
    units = groups_of(asked(tmp_path, encoders=["mae", "dino"], experiments=experiments))
    together = {unit: {trial for trial in units if units[trial] == unit} for unit in units.values()}
    assert together[units["object_segmentation/ade20k/mae"]] == {
        "object_segmentation/ade20k/mae",
        "object_segmentation/ade20k_object/mae",
        "part_segmentation/ade20k_part/mae",
    }
    assert together[units["part_segmentation/lip/dino"]] == {
        "learning_rate_sweep/lip/dino",
        "part_segmentation/lip/dino",
    }
    assert together[units["part_retrieval/coco/mae"]] == {"part_retrieval/coco/mae"}


def test_encoders_on_one_stream_are_one_group(tmp_path: Path) -> None:
    options = {"encoders": ["mae", "dino"], "experiments": ["image_classification"]}
    assert len(set(groups_of(asked(tmp_path, **options)).values())) == 2
    assert len(set(groups_of(asked(tmp_path, share_stream=True, **options)).values())) == 1


def test_a_run_has_no_more_processes_than_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "usable_processors", lambda: 8)
    request = asked(tmp_path)
    assert [processes_for(request, n) for n in (0, 1, 3, 99)] == [1, 1, 3, 8]
    assert processes_for(request, 99, 2) == 2


@pytest.mark.parametrize(
    ("workers", "for_a_probe", "expected"), [(None, 1, 3), (2, 1, 2), (16, 1, 3), (None, 2, 1), (None, 4, 1)]
)
def test_a_run_on_gpus_has_a_process_for_each_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None, for_a_probe: int, expected: int
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("suite.run.request.unusable", lambda: "")
    request = make_request(device="cuda", run=tmp_path, processes_per_probe=for_a_probe)
    assert processes_for(request, 40, workers) == expected
    assert processes_for(request, 1, workers) == 1


@pytest.mark.slow
def test_two_processes_share_the_trials_by_groups(tmp_path: Path) -> None:
    """A run without data, which skips every trial: what matters is where."""
    experiments = "object_segmentation,part_segmentation,learning_rate_sweep"
    folders = [f"--{name}={tmp_path / name}" for name in ("data", "cache", "run")]
    options = ["--encoder=mae,dino", f"--experiment={experiments}", "--device=cpu", *folders]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "suite/experiments", "-p", "no:cacheprovider", "-v", "-n", "2", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout[-2000:]
    where = {trial: worker for worker, trial in re.findall(r"\[(gw\d)\] .* SKIPPED .*\[(\S+)\]", done.stdout)}
    units = groups_of(asked(tmp_path, encoders=["mae", "dino"], experiments=experiments.split(",")))
    assert where.keys() == units.keys()
    assert len({(units[trial], worker) for trial, worker in where.items()}) == len(set(units.values())) == 6
    assert set(where.values()) == {"gw0", "gw1"}
