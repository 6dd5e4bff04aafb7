"""Runs of made-up numbers end as they should: exit code, word and whole sentence, in the report, JUnit and terminal."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from suite.cli.main import main
from suite.errors import ExpectedError
from suite.reference import select as references
from suite.reference.known import load_known
from suite.report.collect import assemble
from tests.support.fabricated import EXPECTED, mini_probe, table_1

DEIT = "image_classification/imagenet1k/deit/linear/top1"
CANNOT_TELL = (
    "No deviation is confirmed, but only 0 of 14 judged cells agree with their reference; "
    "14 cannot tell, with seed noise too large or unknown, and 0 deviate singly."
)


def judge_run(run: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["report", str(run), *options])
    report = json.loads((run / "report.json").read_text())
    assert report["exit_code"] == code
    return code, report


def outcomes(run: Path) -> dict[str, tuple[str, str]]:
    """Test -> (outcome, message) of junit.xml, claims left out."""
    cases = ET.parse(run / "junit.xml").getroot().iter("testcase")
    outcomes_by_test = {}
    for case in cases:
        elements = [child for child in case if child.tag != "properties"]
        outcome = (elements[0].tag, elements[0].get("message") or "") if elements else ("passed", "")
        outcomes_by_test[str(case.get("name"))] = outcome
    return {name: outcome for name, outcome in outcomes_by_test.items() if not name.startswith("test_claims")}


def words(report: dict[str, Any]) -> tuple[Any, ...]:
    return report["verdict"], report["sentence"]


# 20 points off


def test_twenty_points_off_with_one_seed_is_red(tmp_path: Path) -> None:
    code, report = judge_run(table_1(tmp_path, lambda method: -20.5 if method == "deit" else -20.0))
    assert (code, *words(report)) == (
        1,
        "deviates",
        "14 of 14 judged cells differ from their reference beyond tolerance, "
        f"most of all {DEIT} with 61.30 instead of 81.80.",
    )
    assert report["cells"][0]["reason"] == (
        "differs by -20.50: beyond 2 points, which no seed noise of such a probe explains"
    )
    assert {outcome for outcome, _ in outcomes(tmp_path).values()} == {"failure"}
    assert len(outcomes(tmp_path)) == 7


# 0.3 points off


def test_a_third_of_a_point_off_cannot_be_told_with_one_seed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    code, report = judge_run(table_1(tmp_path, 0.3))
    assert (code, *words(report)) == (2, "inconclusive", CANNOT_TELL)
    [entry] = report["deciding"]
    assert entry["sentence"] == "unknown: two at least: SEED=0,1, about 14 h here"  # 7 results of an hour, twice
    assert (entry["certain"], entry["cells"], entry["seconds"]) == (False, 14, 14 * 3600.0)
    assert {c["to_decide"] for c in report["cells"] if c["verdict"] == "inconclusive"} == {"unknown: two at least"}
    output = capsys.readouterr().out
    assert f"INCONCLUSIVE: {CANNOT_TELL}" in output
    assert (
        "to decide 14 cells of Image classification on ImageNet-1K: unknown: two at least: SEED=0,1, about 14 h here"
    ) in output
    page = (tmp_path / "report.html").read_text()
    assert '<section class="verdict warn"' in page
    assert "unknown: two at least: SEED=0,1, about 14 h here" in page
    assert (tmp_path / "report.md").read_text().splitlines()[2] == f"## 🟡 inconclusive: {CANNOT_TELL}"
    outcome, message = outcomes(tmp_path)["test_image_classification[image_classification/imagenet1k/deit]"]
    assert (outcome, message) == (
        "skipped",
        f"inconclusive: 2 cells, {DEIT} first: a single seed, and the seed noise is unknown: run SEED=0,1,2",
    )


@pytest.mark.parametrize("on_record", [False, True])
def test_what_cannot_be_told_may_be_allowed(tmp_path: Path, on_record: bool) -> None:
    run = table_1(tmp_path, 0.3, **({"allow_inconclusive": True} if on_record else {}))
    code, report = judge_run(run, *([] if on_record else ["--allow-inconclusive"]))
    assert (code, *words(report)) == (0, "inconclusive", f"{CANNOT_TELL} Allowed by --allow-inconclusive.")
    assert {outcome for outcome, _ in outcomes(run).values()} == {"passed"}


def test_an_allowance_is_none_for_what_deviates(tmp_path: Path) -> None:
    assert judge_run(table_1(tmp_path, -20.0), "--allow-inconclusive")[0] == 1


def test_three_seeds_decide_a_third_of_a_point(tmp_path: Path) -> None:
    # sd 0.05, df 7 x 2 = 14: 0.05 + 0.05 + 2.1448 * 0.05 * sqrt(1/3 + 1) = 0.2238, below the cap and below 0.3
    code, report = judge_run(table_1(tmp_path, 0.3, (-0.05, 0.0, 0.05)))
    assert {c["verdict"] for c in report["cells"] if c["measured"] is not None} == {"deviates"}
    assert report["cells"][0]["tolerance"] == pytest.approx(0.2238, abs=1e-4)
    # each has p = 0.0038, above .05 / 14; that all 14 deviate is confirmed of them together
    assert (code, report["verdict"], len(report["failing"])) == (1, "deviates", 14)
    assert report["sentence"].startswith("14 of 14 judged cells differ from their reference beyond tolerance, most of")


def test_three_seeds_confirm_what_agrees(tmp_path: Path) -> None:
    code, report = judge_run(table_1(tmp_path, 0.1, (-0.05, 0.0, 0.05)))
    assert (code, *words(report)) == (0, "reproduced", "14 of 14 judged cells agree with their reference.")
    assert {outcome for outcome, _ in outcomes(tmp_path).values()} == {"passed"}


def test_more_single_deviations_than_chance_gives_are_said_in_the_head(tmp_path: Path, capsys) -> None:
    # 0.25 is beyond 0.2238, with p = 0.021, which Holm does not confirm among 14; chance gives 2 of 14 at most
    run = table_1(tmp_path, lambda method: 0.25 if method in {"cae", "mae"} else 0.0, (-0.05, 0.0, 0.05))
    code, report = judge_run(run)
    warning = (
        "4 of 14 cells with seed noise deviate, more than chance explains: it gives 0.7 on average, and at most 2 in "
        "95 of 100 runs (binomial, cells taken to be independent)."
    )
    assert (code, warning in report["notes"]) == (0, True)
    assert (report["family"]["by_chance"], report["family"]["deviating"], report["family"]["chance_bound"]) == (
        14,
        4,
        2,
    )
    assert f"note: {warning}" in capsys.readouterr().out
    assert f"<li>{warning}</li>" in (run / "report.html").read_text().split('id="summary"')[0]
    assert warning.split(" (", maxsplit=1)[0] in (run / "report.md").read_text().split("| experiment")[0]
    assert judge_run(run, "--strict")[0] == 1


# -0.7 with three seeds


def test_noise_wider_than_the_cap_is_no_evidence_however_many_seeds(tmp_path: Path) -> None:
    # sd 0.4, df 14: 0.1 + 2.1448 * 0.4 * 1.1547 = 1.0906 > 0.7; endless seeds: 0.1 + 1.96 * 0.4 = 0.88 > 0.3
    code, report = judge_run(table_1(tmp_path, -0.7, (-0.4, 0.0, 0.4)))
    assert (code, *words(report)) == (2, "inconclusive", CANNOT_TELL)
    assert report["cells"][0]["reason"] == (
        "differs by -0.70, tolerance 1.09: wider than 0.3 is no evidence; "
        "no number of seeds would decide: the reference's own noise alone is wider"
    )
    [entry] = report["deciding"]
    assert entry["sentence"] == "no number of seeds: the reference's own noise alone is wider than the cap"
    assert (entry["undecidable"], entry["seeds"], entry["seconds"]) == (14, [], None)


def test_seeds_that_would_decide_are_counted_with_their_hours(tmp_path: Path) -> None:
    # sd 0.09, df 7 (k - 1): 0.1 + t * 0.09 * sqrt(1/k + 1) is 0.3019 at k = 5, 0.2973 at k = 6
    code, report = judge_run(table_1(tmp_path, 0.1, (-0.09, 0.0, 0.09)))
    assert (code, report["verdict"]) == (2, "inconclusive")
    [entry] = report["deciding"]
    # 7 results of an hour with three seeds each
    assert entry["sentence"] == "6 seeds: SEED=0,1,2,3,4,5, about 14 h here"


# no reference


def test_what_has_no_reference_fails_nothing_and_is_counted(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.0)
    cells = run / "cells" / "image_classification" / "imagenet1k" / "deit.json"
    odd = run / "cells" / "object_retrieval" / "cifar10" / "deit.json"
    odd.parent.mkdir(parents=True)
    record = json.loads(cells.read_text()) | {"experiment": "object_retrieval", "dataset": "cifar10", "seeds": []}
    odd.write_text(json.dumps(record | {"values": {"encoded/ap": [50.0]}}))
    run_record = json.loads((run / "run.json").read_text())
    run_record["asked"]["experiments"].append("object_retrieval")
    run_record["asked"]["datasets"].append("cifar10")
    run_record["asked"]["cells"].append("object_retrieval/cifar10/deit/encoded/ap")
    (run / "run.json").write_text(json.dumps(run_record))
    code, report = judge_run(run)
    assert (code, *words(report)) == (
        0,
        "reproduced",
        "14 of 14 judged cells agree with their reference; 1 ran without a reference value.",
    )
    [(outcome, message)] = [o for name, o in outcomes(run).items() if name.startswith("test_object_retrieval")]
    assert outcome == "skipped"
    assert message.startswith(
        "no reference: 1 cells, object_retrieval/cifar10/deit/encoded/ap first: published but not"
    )


# the same seed, and a shifted golden


def test_a_mini_run_as_recorded_is_green_and_one_hundredth_more_is_red(tmp_path: Path) -> None:
    assert judge_run(mini_probe(tmp_path / "same"))[0] == 0
    code, report = judge_run(mini_probe(tmp_path / "more", factor=1.01))
    assert (code, report["verdict"], len(report["failing"])) == (1, "deviates", 2)


def test_a_shifted_golden_turns_the_run_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = mini_probe(tmp_path)
    shifted_references = {}
    for cell, expected in references.references("mini", {}, None).items():
        by_seed = {seed: value - 0.6 if seed == 0 else value for seed, value in expected.by_seed.items()}
        shifted_references[cell] = replace(expected, by_seed=by_seed)
    monkeypatch.setattr(references, "_load", lambda _profile: shifted_references)
    code, report = judge_run(run)
    [linear] = [c for c in report["cells"] if c["id"] == "part_classification/cub200/dino/linear/accuracy"]
    golden = shifted_references[next(c for c in shifted_references if str(c) == linear["id"])]
    assert code == 1
    value_text = f"{golden.by_seed[0]:.4f}".rstrip("0")
    assert linear["reason"] == (
        f"seed 0 differs by +0.60 from the recorded {value_text}; "
        f"the machine's arithmetic moves it by at most {golden.machine:g}"
    )


# known deviations

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
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the expected values in which a deviation may be known."""
    copy = tmp_path / "expected"
    shutil.copytree(EXPECTED, copy)
    (copy / "known.toml").write_text(ENTRY)
    monkeypatch.setattr(references, "EXPECTED", copy)
    references._load.cache_clear()
    yield copy
    references._load.cache_clear()


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


# a pure function


def test_judging_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.3)
    names = ("report.json", "report.html", "report.md", "junit.xml")
    main(["report", str(run)])
    contents = [(run / name).read_bytes() for name in names]
    main(["report", str(run)])
    assert [(run / name).read_bytes() for name in names] == contents


def test_an_interrupted_run_is_judged_the_same_at_any_time(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.3, finished="2026-06-01T11:30:00+00:00")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"finished": None}))
    assert assemble(run)["finished"] == "2026-06-01T11:30:00+00:00"  # of its last result, not of the clock


JUDGE = """
import sys, time
from dataclasses import replace
from suite.cells import METHODS, CellId, Measurement
from suite.judge.verdict import judge
from suite.reference.expected import Expected
cells = [CellId("e", f"d{k}", m, "s", "m") for k in range(72) for m in METHODS][:500]
gross = {"gross": 2.0, "gross_reason": "test"}
reference = Expected(cells[0], 50.0, "percent", 0.1, None, "us", False, 0.0, 0.1, "why", **gross)
measurements = {c: Measurement(c, (49.9, 50.0, 50.1), (0, 1, 2)) for c in cells}
start = time.process_time()
judgement = judge(cells, measurements, {c: replace(reference, cell=c) for c in cells}, {}, [])
seconds = time.process_time() - start
assert judgement.counts["inconclusive"] == 500, judgement.counts
assert "torch" not in sys.modules
assert seconds < 1, seconds
from suite.report.collect import assemble
assert "torch" not in sys.modules, "a report is made without it, too"
"""


def test_500_cells_are_judged_in_a_second_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", JUDGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
