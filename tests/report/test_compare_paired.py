"""Comparing two run folders image by image: what is said of intervals, tests, power and seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from suite.report.collect import report
from suite.report.compare import compare_runs
from suite.results.store import PerItemScores, Result, Store
from tests.support.archived_run import CELL, KEY, items, result, write_run
from tests.support.candidate_run import store_result, write_record

PLACE = "part_classification/cub200"
PROBE = f"{PLACE}/dino/linear/accuracy"


def probe_run(run: Path, right: int, seed: int = 0) -> Path:
    """A run of one probe that names so many of 200 images correctly."""
    store_result(run, PLACE, "dino", 50.0)
    flags = np.arange(200)[None] < right
    made = Store(run).load(next(Store(run).keys()))
    assert made is not None
    values, facts = {"linear/accuracy": [right / 2]}, {**made.facts, "seeds": [seed]}
    changed = Result(made.key, values, made.summaries, made.inputs, made.protocol, facts)
    Store(run).save(changed, PerItemScores({"linear/accuracy": flags}, "i", np.arange(200, dtype=np.int32)))
    experiment, dataset = PLACE.split("/")
    asked = {"encoders": ["dino"], "experiments": [experiment], "datasets": [dataset], "cells": [PROBE]}
    write_record(run, (), **asked, seeds=[seed])
    report(run)
    return run


def section(text: str) -> list[str]:
    """The lines of the section on cells."""
    lines = text.splitlines()
    return [line.strip() for line in lines[lines.index("Cells") + 1 : lines.index("", lines.index("Cells"))]]


def test_a_change_is_shown_with_its_interval_both_tests_and_the_power(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, code = compare_runs(probe_run(tmp_path / "a", 100), probe_run(tmp_path / "b", 140))
    capsys.readouterr()
    heads, _, row, moved, found, power, seeds = section(text)
    assert heads.split("  ")[0] == "cell"
    assert " ".join(heads.split()) == "cell A B B - A 95 % over images p images + / - sign test verdict"
    assert " ".join(row.split()) == (
        f"{PROBE} 50.0000 70.0000 +20.0000 +14.5036 to +26.0036 0.0002 * 40 / 0 of 200 <0.0001 * deviates"
    )
    assert moved == "1 of 1 values moved, by 20.0000 points at most"
    assert found == (
        "Compared image by image: 1 cell, one family of Holm's procedure at 5 %. It confirms (*) another value in 1 "
        "(bootstrap over images), and more images better than worse, or fewer, in 1 (exact sign test; where an image "
        "holds one item, McNemar's)."
    )
    size = "7.98"
    assert power == (
        f"Power: with a probability of 80 % a change is confirmed that is as large as {size} points in {PROBE} (the "
        f"finest), {size} in the median cell, {size} in {PROBE} (the coarsest); a smaller one may be there unseen."
    )
    assert seeds == "Intervals say what other images would give; they do not hold the noise of a probe's seed."
    assert code == 1


def test_other_seeds_are_named_since_their_noise_is_in_the_difference(tmp_path: Path) -> None:
    text, _ = compare_runs(probe_run(tmp_path / "a", 100), probe_run(tmp_path / "b", 101, seed=17))
    assert section(text)[-1] == (
        "Intervals say what other images would give; they do not hold the noise of a probe's seed, which differences "
        "of trained probes hold: seeds 0 in A, 17 in B."
    )


def test_runs_with_the_same_values_say_so_in_one_line_still(tmp_path: Path) -> None:
    text, code = compare_runs(write_run(tmp_path / "a"), write_run(tmp_path / "b"))
    assert text.startswith("Identical: 2 measured values, all verdicts, claims, environment and protocol.")
    assert code == 0


def test_cells_without_items_of_both_are_counted(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    other = PerItemScores(items(13.5).scores, "d" * 64, items().groups)
    Store(b).save(result(KEY, 13.5), other)
    report(b)
    lines = section(compare_runs(a, b)[0])
    assert lines[2].split()[:4] == [CELL, "12.2500", "13.5000", "+1.2500"]
    assert lines[-1] == "Compared by value only: 1 cell, scores of other items."
    assert "In 1 cell every item scores the same in both." in lines
