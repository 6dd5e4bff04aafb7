"""Runs of made-up numbers end as they should: exit code, word and whole sentence, in the report, JUnit and terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from suite.cli.main import main
from suite.reference import select as references
from suite.report.collect import assemble
from tests.support.fabricated import mini_probe, table_1
from tests.support.judged_run import DEIT, judge_run, outcomes, words

CANNOT_TELL = (
    "No deviation is confirmed, but only 0 of 14 judged cells agree with their reference; "
    "14 cannot tell, with seed noise too large or unknown, and 0 deviate singly."
)


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


# a pure function


def test_judging_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.3)
    names = ("report.json", "report.html", "report.md", "summary.md", "badge.json", "junit.xml")
    main(["report", str(run)])
    contents = [(run / name).read_bytes() for name in names]
    main(["report", str(run)])
    assert [(run / name).read_bytes() for name in names] == contents


def test_an_interrupted_run_is_judged_the_same_at_any_time(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.3, finished="2026-06-01T11:30:00+00:00")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"finished": None}))
    assert assemble(run)["finished"] == "2026-06-01T11:30:00+00:00"  # of its last result, not of the clock


def test_pictures_that_a_killed_run_has_never_made_are_missed(tmp_path: Path) -> None:
    run = table_1(tmp_path, 0.0)
    record = json.loads((run / "run.json").read_text())
    record["asked"]["experiments"] = [*record["asked"]["experiments"], "patch_search"]
    (run / "run.json").write_text(json.dumps(record))
    content = assemble(run)
    assert (content["verdict"], content["exit_code"]) == ("incomplete", 2)
    trials = [f"patch_search/imagenet1k/{method}" for method in record["asked"]["encoders"]]
    assert content["pictures_missing"] == [{"trial": trial, "reason": "no result was stored"} for trial in trials]
    assert content["sentence"].endswith(f" Pictures are missing: {trials[0]}: no result was stored.")


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
