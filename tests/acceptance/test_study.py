"""The mini study's part of the acceptance, with made-up runs: what agrees passes, what does not is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from suite.acceptance import study
from suite.acceptance.site import Ended, Site
from suite.core.paths import EXPECTED
from suite.reference.expected import load_expected
from suite.results.store import Key, Store
from tests.support.fabricated import write_run

MakeSite = Callable[..., Site]
RETRIEVAL, PROBE = Key("object_retrieval", "cifar10", "mae"), Key("image_classification", "imagenet1k", "mae")
VALUES = {RETRIEVAL: {"encoded/ap": 12.0}, PROBE: {"linear/top1": 60.0}}
Moves = dict[tuple[str, Key], float]


class Suite:
    """Verbs that store made-up values, moved by so many points in some of the runs."""

    def __init__(self, folder: Path, moves: Moves | None = None, code: int | None = 0) -> None:
        self.folder, self.moves, self.code = folder, moves or {}, code
        self.verbs: list[str] = []

    def __call__(self, arguments: Sequence[str], _seconds: float) -> Ended:
        self.verbs.append(arguments[0])
        if arguments[0] != "reproduce":
            return Ended(0, "done")
        run = Path(next(word.removeprefix("--run=") for word in arguments if word.startswith("--run=")))
        moved = {
            key: {name: [value + self.moves.get((run.name, key), 0.0)] for name, value in values.items()}
            for key, values in VALUES.items()
        }
        write_run(run, "mini", moved, [])
        return Ended(self.code, "verdict: reproduced")


def test_the_study_is_planned_and_run_on_the_device(stand_in: MakeSite, tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    answer = study.on_device(stand_in(run_suite=suite))
    assert (answer.status, answer.detail) == ("passed", "2 cells, exit code 0: verdict: reproduced")
    assert suite.verbs == ["render", "plan", "reproduce"]


def test_the_study_asks_for_its_device_and_folders(stand_in: MakeSite, tmp_path: Path) -> None:
    words: list[str] = []

    def listen(arguments: Sequence[str], _seconds: float) -> Ended:
        words.extend(arguments)
        return Ended(3, "error: no")

    answer = study.on_cpu(stand_in(run_suite=listen))
    assert words == [
        "reproduce", "--profile=mini", "--encoder=dino,mae", "--device=cpu", f"--data={tmp_path / 'data'}",
        f"--cache={tmp_path / 'cache of cpu'}", f"--run={tmp_path / 'cpu'}", "--runtime=venv",
    ]  # fmt: skip
    assert (answer.status, answer.detail) == ("failed", "exit code 3: error: no")


def test_a_trial_that_did_not_run_fails_with_its_reason(stand_in: MakeSite, tmp_path: Path) -> None:
    Store(tmp_path / "first").mark_not_run(Key("part_retrieval", "cub200", "mae"), "no CUDA kernel for this card")
    answer = study.on_device(stand_in(run_suite=Suite(tmp_path, code=2)))
    assert answer.status == "failed"
    assert answer.detail == "part_retrieval/cub200/mae: no CUDA kernel for this card"


def test_a_run_that_found_no_time_is_not_run(stand_in: MakeSite, tmp_path: Path) -> None:
    answer = study.on_device(stand_in(run_suite=Suite(tmp_path, code=None)))
    assert answer.status == "not run"


def test_two_runs_of_the_same_bits_pass(stand_in: MakeSite, tmp_path: Path) -> None:
    site = stand_in(run_suite=Suite(tmp_path))
    study.on_device(site)
    assert study.on_device_again(site).detail == "2 cells twice: 0 differ"


def test_the_last_bit_of_a_second_run_counts(stand_in: MakeSite, tmp_path: Path) -> None:
    site = stand_in(run_suite=Suite(tmp_path, {("again", PROBE): 1e-13}))
    study.on_device(site)
    answer = study.on_device_again(site)
    assert answer.status == "failed"
    assert answer.detail == f"2 cells twice: 1 differ, {PROBE}/linear/top1 first"


@pytest.mark.parametrize("key", [RETRIEVAL, PROBE])
def test_device_and_cpu_may_differ_as_machines_do(key: Key, stand_in: MakeSite, tmp_path: Path) -> None:
    expected = {str(cell): entry for cell, entry in load_expected("mini", EXPECTED).items()}
    [name] = VALUES[key]
    entry = expected[f"{key}/{name}"]
    allowed = max(entry.numeric, entry.machine)
    assert allowed > 0
    for share, status in ((0.9, "passed"), (1.1, "failed")):
        site = stand_in(run_suite=Suite(tmp_path, {("cpu", key): share * allowed}))
        study.on_device(site)
        answer = study.on_cpu(site)
        assert answer.status == status, answer.detail
    assert answer.detail == (
        f"2 cells of 2 experiments: 1 differ by more than allowed: {key}/{name} by {1.1 * allowed:.3f}, "
        f"allowed {allowed:g}"
    )


def test_two_cards_are_held_against_one(stand_in: MakeSite, tmp_path: Path) -> None:
    site = stand_in(cards=2, run_suite=Suite(tmp_path))
    study.on_device(site)
    assert study.on_two_cards(site).status == "passed"
    assert study.on_two_cards(stand_in(cards=1)).detail == "it needs two cards, there are 1"


@pytest.mark.parametrize(("ratio", "status"), [(1.5, "passed"), (3.5, "failed")])
def test_the_plan_is_held_against_the_run(ratio: float, status: str, stand_in: MakeSite, tmp_path: Path) -> None:
    rows = [
        {"experiment": "part_retrieval", "planned_s": 20.0, "measured_s": 20.0 * ratio, "ratio": ratio},
        {"experiment": "patch_search", "planned_s": 0.1, "measured_s": 1.0, "ratio": 10.0},
        {"experiment": "object_retrieval", "planned_s": 0.0, "measured_s": 0.0, "ratio": None},
    ]
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "report.json").write_text(json.dumps({"plan": rows}))
    answer = study.plan_against_actual(stand_in())
    assert answer.status == status
    assert answer.detail.startswith(f"measured by planned: part_retrieval {ratio:.2f}, patch_search 10.00")


def test_without_a_report_there_is_no_plan_to_hold(stand_in: MakeSite) -> None:
    assert study.plan_against_actual(stand_in()).status == "not run"
