"""How far a training is, in a file of the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.results.store import Key
from suite.training import progress
from suite.training.progress import PROGRESS_S, progress_file
from tests.support.small_trials import of, small_data, small_trial


def test_progress_is_noted_every_few_seconds_and_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    note = progress_file(tmp_path, Key("part_classification", "cub200", "dino"), 3)
    path = tmp_path / "training" / "part_classification-cub200-dino.json"

    def noted(done: int, left_s: float) -> dict[str, int]:
        note(done, 40, left_s)
        return json.loads(path.read_text())

    first = {"seed": 3, "round": 1, "rounds": 40, "seconds_left": 78}
    assert noted(1, 77.6) == first
    now[0] += PROGRESS_S - 1
    assert noted(2, 70) == first
    now[0] += 1
    assert noted(3, 69) == {"seed": 3, "round": 3, "rounds": 40, "seconds_left": 69}
    note(40, 40, 0)
    assert not path.exists()


@pytest.mark.parametrize(("experiment", "dataset"), [("part_classification", "cub200"), ("learning_rate_sweep", "lip")])
def test_trainings_of_probes_and_heads_note_it(
    experiment: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[tuple[str, int, int]] = []
    monkeypatch.setattr(progress, "PROGRESS_S", 0)
    monkeypatch.setattr(progress, "write_json", lambda path, v: notes.append((path.name, v["round"], v["rounds"])))
    trial = small_trial(experiment, dataset, "dino", data=small_data(tmp_path / "data"), folder=tmp_path)
    of(experiment)(trial)
    rounds = notes[0][2]
    assert rounds > 1
    name = f"{experiment}-{dataset}-dino.json"
    assert notes == [(name, done, rounds) for _ in trial.seeds for done in range(1, rounds)]
