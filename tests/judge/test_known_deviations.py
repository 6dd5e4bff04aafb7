"""A known deviation is neither green nor failing, until it expires or is gone; a broken entry is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.errors import ExpectedError
from suite.reference import select as references
from suite.reference.known import load_known
from tests.support.fabricated import EXPECTED, table_1
from tests.support.judged_run import DEIT, judge_run, outcomes, words

ENTRY = """
[[known]]
profile = "paper"
cells = "image_classification/imagenet1k/deit/*/top1"
observed = 79.0
lower = 78.5
upper = 79.5
reason = "the paper prints supervised accuracy"
link = "https://example.org/1"
date = 2026-01-01
expires = 2026-12-31
"""


@pytest.fixture
def root(expected_root: Path) -> Path:
    """A copy of the expected values in which a deviation is known."""
    (expected_root / "known.toml").write_text(ENTRY)
    return expected_root


def deit_off(run: Path, shift: float, **options: Any) -> Path:
    return table_1(run, lambda method: shift if method == "deit" else 0.0, **options)


def test_a_known_deviation_is_neither_green_nor_failing(root: Path, tmp_path: Path) -> None:
    code, report = judge_run(deit_off(tmp_path / "run", -2.8))
    assert (code, *words(report)) == (
        0,
        "reproduced",
        "12 of 12 judged cells agree with their reference; 2 deviate as known.",
    )
    cell = report["cells"][0]
    assert (cell["id"], cell["verdict"]) == (DEIT, "known deviation")
    assert cell["reason"] == (
        "differs by -2.80: beyond 2 points, which no seed noise of such a probe explains; within 78.5 to 79.5, as "
        "known since 2026-01-01: the paper prints supervised accuracy (https://example.org/1); until 2026-12-31"
    )
    outcome, message = outcomes(tmp_path / "run")["test_image_classification[image_classification/imagenet1k/deit]"]
    assert outcome == "skipped"
    assert message.startswith(f"known deviation: 2 cells, {DEIT} first: ")
    assert "🔶 known deviation" in (tmp_path / "run" / "report.md").read_text()


def test_an_expired_known_deviation_fails_by_the_date_of_the_run(root: Path, tmp_path: Path) -> None:
    (root / "known.toml").write_text(ENTRY.replace("2026-12-31", "2026-05-31"))
    run = deit_off(tmp_path / "run", -2.8)
    code, report = judge_run(run)
    assert (code, *words(report)) == (
        1,
        "unexpected",
        f"2 known deviations are unexpected now, first {DEIT}, which differs by -2.80: beyond 2 points, which no seed "
        "noise of such a probe explains; as a known deviation it expired on 2026-05-31: the paper prints supervised "
        "accuracy (https://example.org/1): look at it again in expected/known.toml; "
        "12 of 12 judged cells agree with their reference.",
    )
    assert outcomes(run)["test_image_classification[image_classification/imagenet1k/deit]"][0] == "failure"
    on_the_day = deit_off(tmp_path / "earlier", -2.8, finished="2026-05-31T23:59:59+00:00")
    assert judge_run(on_the_day)[0] == 0


def test_a_known_deviation_inside_the_tolerance_again_fails(root: Path, tmp_path: Path) -> None:
    code, report = judge_run(deit_off(tmp_path / "run", 0.0))
    assert (code, *words(report)) == (
        1,
        "unexpected",
        f"2 known deviations are unexpected now, first {DEIT}, which equal to the printed digits: inside its tolerance "
        "again, although it is a known deviation: the paper prints supervised accuracy (https://example.org/1): take "
        "the entry out in expected/known.toml; 12 of 12 judged cells agree with their reference.",
    )


def test_beyond_its_bounds_it_is_judged_as_if_nothing_were_known(root: Path, tmp_path: Path) -> None:
    code, report = judge_run(deit_off(tmp_path / "run", -5.0))
    assert (code, report["verdict"]) == (1, "deviates")
    assert report["cells"][0]["reason"] == (
        "differs by -5.00: beyond 2 points, which no seed noise of such a probe explains; a known deviation, but "
        "beyond its bounds, 78.5 to 79.5: the paper prints supervised accuracy (https://example.org/1)"
    )


def test_one_bound_is_enough(root: Path, tmp_path: Path) -> None:
    (root / "known.toml").write_text(ENTRY.replace("lower = 78.5\n", ""))
    code, report = judge_run(deit_off(tmp_path / "run", -9.0))
    assert (code, report["cells"][0]["verdict"]) == (0, "known deviation")
    assert "within 79.5 or less, as known" in report["cells"][0]["reason"]


def test_a_run_of_known_deviations_only_says_so(root: Path, tmp_path: Path) -> None:
    (root / "known.toml").write_text(
        ENTRY.replace("deit", "*").replace("78.5", "40").replace("upper = 79.5\n", "").replace("79.0", "41.0")
    )
    with pytest.raises(ExpectedError, match="hold the reference of"):
        load_known("paper", references._load("paper"), root)
    (root / "known.toml").write_text(ENTRY)
    run = deit_off(tmp_path / "run", -2.8)
    for path in (run / "cells/image_classification/imagenet1k").glob("*.json"):
        if path.stem != "deit":
            path.unlink()
    record = json.loads((run / "run.json").read_text())
    record["asked"] |= {"encoders": ["deit"], "cells": [c for c in record["asked"]["cells"] if "/deit/" in c]}
    (run / "run.json").write_text(json.dumps(record))
    code, report = judge_run(run)
    assert (code, *words(report)) == (
        0,
        "known deviation",
        "No cell agrees with its reference, and none differs from it but as known; 2 deviate as known.",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reason = "the paper prints supervised accuracy"\n', "", "reason: missing: expected a text"),
        ("date = 2026-01-01", 'date = "soon"', "date: expected a date without quotes, got 'soon'"),
        ("2026-12-31", "2025-12-31", "expires: 2025-12-31 is before the date of the entry, 2026-01-01"),
        ("upper = 79.5", "upper = 70.0", "lower: contradicts upper: 78.5 is more than 70"),
        ("observed = 79.0", "observed = 90.0", "observed: 90 is outside its own bounds, 78.5 to 79.5"),
        ("lower = 78.5\nupper = 79.5\n", "", "lower: missing: expected lower, upper, or both"),
        ('"paper"', '"big"', "profile: expected one of mini, paper, got 'big'"),
        (
            "/deit/*/top1",
            "/deit/top1",
            "cells: expected experiment/dataset/method/setting/metric, got 'image_classificati",
        ),
        (
            "/deit/*/top1",
            "/vit/*/top1",
            "cells: 'image_classification/imagenet1k/vit/*/top1' fits no cell of the paper",
        ),
        (
            "upper = 79.5",
            "upper = 82.0",
            "upper: the bounds, 78.5 to 82, hold the reference of image_classification/imagenet1k/deit/linear/top1, "
            "81.8: that is no deviation",
        ),
        ("link", "lnk", "link: missing: expected a text"),
    ],
)
def test_a_broken_entry_is_one_line(root: Path, tmp_path: Path, old: str, new: str, message: str, capsys) -> None:
    (root / "known.toml").write_text(ENTRY.replace(old, new, 1))
    run = deit_off(tmp_path / "run", -2.8)
    capsys.readouterr()
    assert main(["report", str(run)]) == 3
    error_text = capsys.readouterr().err.strip()
    assert error_text.startswith(f"error: {root / 'known.toml'}: known[0].{message}")
    assert "\n" not in error_text


def test_two_entries_of_one_cell_contradict_each_other(root: Path) -> None:
    (root / "known.toml").write_text(ENTRY + ENTRY)
    with pytest.raises(ExpectedError) as error:
        load_known("paper", references._load("paper"), root)
    assert str(error.value) == (
        f"{root / 'known.toml'}: known[1].cells: {DEIT} is named by an earlier entry, "
        "'image_classification/imagenet1k/deit/*/top1': keep one of them"
    )


def test_the_shipped_file_excuses_nothing() -> None:
    for profile in ("mini", "paper"):
        assert load_known(profile, references.references(profile, {}, None), EXPECTED) == {}


def test_another_variant_is_not_what_was_known(root: Path) -> None:
    assert len(references.known_deviations("paper", {})) == 2
    assert references.known_deviations("paper", {"imagenet-protocol": "cae"}) == {}
