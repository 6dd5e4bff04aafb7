"""What decides about reuse: the digest of an experiment's code holds every file that runs when it is measured."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from suite.core import source_code
from suite.core.paths import SUITE
from suite.core.source_code import CARRIERS, files_behind, trial_code
from suite.protocol.profiles import load_profile
from tests.support.small_trials import SEGMENTATION, of, small_data, small_trial

EXPERIMENTS = load_profile("mini").experiments


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("code") / "data")


@contextmanager
def files_that_run() -> Iterator[set[str]]:
    """The source files of every function called inside, of all threads that start there."""
    seen: set[str] = set()

    def note(frame: FrameType, *_: object) -> None:
        if frame.f_code.co_name != "<module>":  # an import
            seen.add(frame.f_code.co_filename)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def carried(name: str) -> bool:
    places = [carrier.removeprefix("suite.").replace(".", "/") for carrier in CARRIERS]
    return any(name == f"{place}.py" or name.startswith(f"{place}/") for place in places)


def names(experiment: str) -> set[str]:
    return {path.relative_to(SUITE).as_posix() for path in files_behind(f"suite.experiments.test_{experiment}")}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_file_that_runs_is_in_the_digest(experiment: str, data: Path, tmp_path: Path) -> None:
    dataset = EXPERIMENTS[experiment].datasets[0]
    trial = small_trial(experiment, dataset, "dino", data=data, folder=tmp_path)
    measure = of(experiment)  # imports the page, and what a plan asks of it
    with files_that_run() as seen:
        measure(trial)
    inside = {Path(name).relative_to(SUITE).as_posix() for name in seen if name.startswith(f"{SUITE}/")}
    assert not {name for name in inside if name.startswith("experiments/costs/")}, "what a plan counts"
    ours = {name for name in inside if not carried(name)}
    assert {"experiments/context.py", "encoders/vit.py"} < ours
    assert ours <= names(experiment) | {"experiments/judge.py"}  # which makes the trial and measures nothing


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_judges_reports_or_stores_is_not(experiment: str) -> None:
    assert {name for name in names(experiment) if name.startswith("results/")} <= {"results/image_counts.py"}
    parts = {name.split("/")[0] for name in names(experiment)}
    assert not parts & {"judge", "report", "reference", "run", "plan", "cli", "archive", "reproduction"}
    assert "experiments/judge.py" not in names(experiment)


def test_a_comment_changes_the_digests_of_the_experiments_behind_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: trial_code(name) for name in EXPERIMENTS}
    sources = {path: text + b"#" * (path.name == "kernel.py") for path, text in source_code._SOURCES.items()}
    monkeypatch.setattr(source_code, "_SOURCES", sources)
    source_code.code_digest.cache_clear()
    after = {name: trial_code(name) for name in EXPERIMENTS}
    source_code.code_digest.cache_clear()
    assert {name for name in EXPERIMENTS if before[name] != after[name]} == {*SEGMENTATION}
