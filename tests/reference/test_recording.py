"""What is recorded reads back; what was edited by hand, or is too little, is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cells import CellId, Measurement
from suite.reference.expected import load_expected
from suite.reference.recording import Recording, write_mini
from suite.reference.seal import seal
from tests.support.refusals import refusal

SLACK = {("part_classification", "accuracy"): 0.15}
RECORDING = Recording("make record", "0123abc", "2026-01-31", "two cores", "the first recording")


def probe(method: str, values: tuple[float, ...], experiment: str = "part_classification") -> Measurement:
    return Measurement(CellId(experiment, "coco", method, "linear", "accuracy"), values, tuple(range(len(values))))


def edited_recording(root: Path, old: str, new: str) -> Path:
    """A recording of five seeds in which a text was replaced by hand, and the seal made anew."""
    path = root / "mini" / "part_classification.toml"
    write_mini(path, [probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0))], recording=RECORDING, slack=SLACK)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    seal(path.parent)
    return path


def test_a_recording_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    runs = [
        probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0)),  # variance 2.5
        probe("mae", (80.0, 80.0, 80.0, 80.0, 85.0)),  # variance 5
        probe("raw_pixels", (50.0, 50.0, 50.0, 50.0, 50.0)),
    ]
    write_mini(path, runs, recording=RECORDING, slack=SLACK, test_items=400)
    seal(path.parent)
    references = load_expected("mini", tmp_path)
    assert [e.value for e in references.values()] == [92.0, 81.0, 50.0]
    deit, _, pixels = references.values()
    assert (deit.seeds, deit.seed_df, deit.rounding, deit.numeric) == (5, 12, 0.0, 0.25)
    assert deit.seed_sd == pytest.approx(math.sqrt((2.5 + 5 + 0) / 3))
    assert (pixels.seed_sd, pixels.seed_df) == (deit.seed_sd, 12)  # one protocol, one noise
    assert dict(deit.by_seed) == {0: 90.0, 1: 91.0, 2: 92.0, 3: 93.0, 4: 94.0}
    assert [deit.machine, pixels.machine] == [0.15, 0.15]
    assert deit.source == "our own runs: make record, commit 0123abc, 2026-01-31"
    assert "never edited by hand" in path.read_text()
    assert "values = [80.0, 80.0, 80.0, 80.0, 85.0]" in path.read_text()


def test_a_deterministic_recording_reads_back(tmp_path: Path) -> None:
    cell = CellId("part_retrieval", "coco", "mae", "encoded", "ap")
    write_mini(tmp_path / "mini" / "x.toml", [Measurement(cell, (42.1234567,))], recording=RECORDING, slack=SLACK)
    seal(tmp_path / "mini")
    reference = load_expected("mini", tmp_path)[cell]
    assert (reference.value, reference.deterministic, reference.seeds, reference.spread) == (42.123457, True, 1, None)
    assert (reference.rounding, reference.numeric) == (0.0, 0.05)
    assert (reference.by_seed, reference.machine) == ({}, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("mean = 92.0", "mean = 91.5", "cells.coco.linear.accuracy.deit.mean"),
        ("values = [90.0", "values = [89.0", "cells.coco.linear.accuracy.deit.mean"),
        ("df = 4", "df = 8", "spread"),
        ("seeds = [0, 1, 2, 3, 4]", "seeds = [0, 1, 2, 3]", "recorded.seeds"),
    ],
)
def test_a_recording_edited_by_hand_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    path = edited_recording(tmp_path, old, new)
    hint = "does not follow from the raw values: was it edited by hand? Run `make record`"
    assert refusal(load_expected, "mini", tmp_path) == f"{path}: part_classification.{key}: {hint}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("machine = 0.15\n", "", "tolerance.accuracy.machine: missing: expected a number >= 0"),
        ("machine = 0.15", "machine = -1", "tolerance.accuracy.machine: expected a number >= 0, got -1"),
        (
            "seeds = [0,",
            "seeds = [0.5,",
            "recorded.seeds: expected a list of whole numbers >= 0, got [0.5, 1, 2, 3, 4]",
        ),
        (
            "deit = { mean = 92.0, values = [90.0, 91.0, 92.0, 93.0, 94.0] }",
            "deit = { mean = 92.0, values = [90.0, 91.0, 92.0, 93.0, 94.0] }\nmae = 3.0",
            "cells: expected a recorded table for every cell, got a bare value for "
            "part_classification/coco/mae/linear/accuracy",
        ),
    ],
)
def test_a_recording_of_probes_says_what_a_machine_may_do(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = edited_recording(tmp_path, old, new)
    assert refusal(load_expected, "mini", tmp_path) == f"{path}: part_classification.{message}"


def test_a_cell_that_moves_further_than_others_has_a_slack_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    runs = [probe("deit", (90.0, 91.0, 92.0, 93.0, 94.0)), probe("mae", (80.0, 80.0, 80.0, 80.0, 85.0))]
    write_mini(path, runs, recording=RECORDING, slack=SLACK | {runs[1].id: 0.9, CellId(*"abcde"): 5.0})
    seal(path.parent)
    assert [e.machine for e in load_expected("mini", tmp_path).values()] == [0.15, 0.9]
    path.write_text(path.read_text().replace("\nmae = 0.9\n", "\ndino = 0.9\n"))
    seal(path.parent)
    key = ".".join(("part_classification.machine", runs[1].id.dataset, runs[1].id.setting, runs[1].id.metric, "dino"))
    cell = replace(runs[1].id, method="dino")
    assert refusal(load_expected, "mini", tmp_path) == f"{path}: {key}: expected a cell that was recorded, got {cell}"


def test_without_a_measured_slack_nothing_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "mini" / "part_classification.toml"
    assert refusal(write_mini, path, [probe("deit", (1.0,) * 5)], recording=RECORDING, slack={}) == (
        "expected/machine_slack.toml: part_classification.accuracy: missing: expected points and reason for every "
        "trained metric; measure how far its values move from machine to machine"
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "expected cells of one experiment, got []"),
        (
            [probe("deit", (1.0,) * 5), probe("mae", (1.0,) * 5, "x")],
            "expected cells of one experiment, got ['part_classification', 'x']",
        ),
        ([probe("deit", (1.0,) * 4)], "expected at least 5 different seeds, got [0, 1, 2, 3]"),
        (
            [probe("deit", (1.0,) * 5), probe("mae", (1.0,) * 6)],
            "expected cells of one list of seeds, got [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5)]",
        ),
    ],
)
def test_too_little_is_not_recorded(tmp_path: Path, runs: list[Measurement], message: str) -> None:
    path = tmp_path / "x.toml"
    assert refusal(write_mini, path, runs, recording=RECORDING, slack=SLACK) == f"{path}: {message}"
    assert not path.exists()
