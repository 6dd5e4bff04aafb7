"""The values of a new encoder are accepted for a reason and judge later runs; what cannot stand for it is refused."""

from __future__ import annotations

import statistics
import tomllib
from pathlib import Path

import pytest

from suite.candidate.accept import accept
from suite.cells import METHODS, CellId
from suite.cli.main import main
from suite.core.paths import EXPECTED
from suite.errors import ExpectedError, RequestError
from suite.protocol import constants
from suite.reference import select as references
from suite.reference.candidates import load_accepted
from suite.report import collect as assemble
from suite.report.maker import maker
from suite.results.store import Key, Store
from tests.support.candidate_run import MINE, PLACES, of_older_version, store_result, write_record


def test_accepted_values_judge_later_runs(run: Path, folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert accept(run, reason="first", folder=folder) == 0
    assert "accepted 4 cells of mine-build" in capsys.readouterr().out
    section = tomllib.loads((folder / "mine-build.toml").read_text())["mini"]
    assert (section["reason"], section["commit"]) == ("first", "c0ffee"), "the code that made them, not that of today"
    values = references.references("mini", {}, None, {MINE})
    mine = {cell: e for cell, e in values.items() if cell.method == MINE}
    assert len(mine) == 4
    exact = mine[CellId("part_retrieval", "cub200", MINE, "encoded", "ap")]
    probe = mine[CellId("part_classification", "cub200", MINE, "linear", "accuracy")]
    assert (exact.value, exact.deterministic, exact.numeric, exact.cap) == (10.0, True, 0.05, 0.3)
    assert (probe.seed_sd, probe.seed_df, probe.seeds, probe.cap) == (0.4, 36, 1, 3.0), "one seed: the seven's noise"
    assert probe.numeric == 0.25, "one of 400 test items"
    assert not {cell for cell in references.references("mini", {}, None) if cell.method == MINE}
    assert not {cell for cell in references.references("mini", {}, 40, {MINE}) if cell.method == MINE}
    verdicts = {c["id"]: c["verdict"] for c in assemble.assemble(run)["cells"] if c["method"] == MINE}
    assert set(verdicts.values()) == {"reproduced"}
    store_result(run, "part_retrieval/cub200", MINE, 11.0)
    report = assemble.assemble(run)
    assert [c["id"] for c in report["cells"] if c["verdict"] == "deviates"] == [
        "part_retrieval/cub200/mine-build/encoded/ap"
    ]
    assert report["exit_code"] == 1


def test_a_variant_is_not_held_against_accepted_values(run: Path, folder: Path) -> None:
    accept(run, reason="first", folder=folder)
    values = references.references("mini", {"keypoint-box": "full"}, None, {MINE})
    assert {cell.experiment for cell in values if cell.method == MINE} == {"object_retrieval", "image_classification"}


def test_where_a_later_run_may_be_better_only_a_worse_cell_deviates(run: Path, folder: Path, capsys) -> None:
    accept(run, reason="first", at_least=True, folder=folder)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"accepted 4 cells of mine-build in {folder}/mine-build.toml: later runs may be better, not worse"
    )
    place, cell = "part_retrieval/cub200", "part_retrieval/cub200/mine-build/encoded/ap"

    def later(value: float) -> tuple[str, str]:
        store_result(run, place, MINE, value)
        return next((c["verdict"], c["reason"]) for c in assemble.assemble(run)["cells"] if c["id"] == cell)

    def reason(points: str, answer: str) -> str:
        return (
            f"differs by {points} from its lower bound, 120 items of 40 images paired: 95 % interval {points} to "
            f"{points}, 0.05 points allowed: {answer}"
        )

    assert later(20.0) == ("reproduced", reason("+10.00", "no worse"))
    assert later(9.96) == ("reproduced", reason("-0.04", "no worse"))
    assert later(9.9) == ("deviates", reason("-0.10", "worse"))

    store_result(run, place, MINE, 10.0)
    accept(run, reason="", diff=True, folder=folder)
    first, second = capsys.readouterr().out.splitlines()
    assert (first, second[-8:]) == ("at_least: True -> None", " -> None"), "without it both sides count again"


def test_every_candidate_of_a_run_is_accepted_in_a_file_of_its_own(run: Path, folder: Path, capsys) -> None:
    for place in PLACES:
        store_result(run, place, "a-b", 30.0)
    write_record(run, encoders=["mine:build", "a:b", *METHODS])
    with pytest.raises(RequestError) as caught:
        accept(run, reason="first", name="both", folder=folder)
    assert (
        str(caught.value) == "--name both: expected one candidate, got mine-build, a-b: each is named after its encoder"
    )
    assert not folder.exists()
    assert accept(run, reason="first", folder=folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a-b.toml", "mine-build.toml"]
    assert {cell.method for cell in load_accepted("mini", folder)} == {"a-b", MINE}
    capsys.readouterr()
    assert accept(run, reason="", diff=True, folder=folder) == 0
    store_result(run, "part_retrieval/cub200", "a-b", 31.0)
    assert accept(run, reason="", diff=True, folder=folder) == 1, "one of both would change"


def test_accepted_values_may_lie_outside_the_checkout(run: Path, tmp_path: Path, capsys) -> None:
    elsewhere = tmp_path / "mine"
    words = ["accept", str(run), "--reason", "first", "--accepted", str(elsewhere)]
    assert main([*words, "--at-least"]) == 0
    assert [path.name for path in elsewhere.rglob("*.toml")] == ["mine-build.toml"]

    def verdicts(**changes: object) -> set[str]:
        write_record(run, **changes)
        return {c["verdict"] for c in assemble.assemble(run)["cells"] if c["method"] == MINE}

    assert verdicts() == {"no reference"}
    assert verdicts(accepted=str(elsewhere)) == {"reproduced"}
    held, free = (maker(folder)["expected"] for folder in (elsewhere, EXPECTED))
    assert held != free, "what a report was held against is known by its digest"

    capsys.readouterr()
    write_record(run, accepted=str(tmp_path / "none"))
    assert main(["report", str(run)]) == 3
    assert capsys.readouterr().err == (
        f"error: --accepted '{tmp_path}/none': expected a folder that `accept` wrote to, got none: "
        f"make accept RUN= REASON= ACCEPTED={tmp_path}/none\n"
    )


def test_a_folder_without_accepted_values_is_refused_before_anything_runs(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    assert main(["reproduce", "--runtime=venv", f"--run={tmp_path}/run", f"--accepted={tmp_path}/file"]) == 3
    assert capsys.readouterr().err == (
        f"error: --accepted '{tmp_path}/file': expected a folder that `accept` wrote to, got a file: "
        f"make accept RUN= REASON= ACCEPTED={tmp_path}/file\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_candidate_is_held_from_both_sides(run: Path, capsys) -> None:
    write_record(run, encoders=list(METHODS))
    assert main(["accept", str(run), "--reason", "first", "--at-least"]) == 3
    assert capsys.readouterr().err == (
        "error: --at-least: a run without a candidate is held to its values from both sides\n"
    )


def test_diff_says_what_would_change_and_changes_nothing(run: Path, folder: Path, capsys) -> None:
    assert accept(run, reason="", diff=True, folder=folder) == 1
    assert not folder.exists()
    accept(run, reason="first", folder=folder)
    old_content = (folder / "mine-build.toml").read_bytes()
    capsys.readouterr()
    assert accept(run, reason="", diff=True, folder=folder) == 0
    assert "nothing would change" in capsys.readouterr().out
    store_result(run, "part_retrieval/cub200", MINE, 12.5)
    assert accept(run, reason="", diff=True, folder=folder) == 1
    output = capsys.readouterr().out
    assert "10.000" in output
    assert "12.500" in output
    assert "object_retrieval" not in output
    assert (folder / "mine-build.toml").read_bytes() == old_content


def test_diff_names_the_experiments_whose_constants_changed(
    run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    accept(run, reason="first", folder=folder)
    other_file = tmp_path / "constants.toml"
    other_file.write_text(
        constants.FILE.read_text().replace("nearest_px = { value = [40,", "nearest_px = { value = [41,")
    )
    monkeypatch.setattr(constants, "FILE", other_file)
    constants.load_constants.cache_clear()
    capsys.readouterr()
    assert accept(run, reason="", diff=True, folder=folder) == 1
    constants.load_constants.cache_clear()
    output = capsys.readouterr().out
    assert [line.split(":")[0] for line in output.splitlines() if line.startswith("protocol of")] == [
        "protocol of part_classification",
        "protocol of part_retrieval",
    ]


def test_own_noise_is_used_where_five_seeds_tell_it(run: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(PLACES, "part_classification/cub200", ("linear/accuracy", [0, 1, 2, 3, 4]))
    result = store_result(run, "part_classification/cub200", MINE, 10.0)
    accept(run, reason="first", folder=folder)
    probe = load_accepted("mini", folder)[CellId("part_classification", "cub200", MINE, "linear", "accuracy")]
    assert probe.seed_sd == pytest.approx(statistics.stdev(result.values["linear/accuracy"]), abs=1e-5)
    assert (probe.seed_df, probe.seeds) == (4, 5)


def test_a_probe_whose_noise_nobody_knows_is_refused(run: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(references, "_load", lambda _profile: {})
    with pytest.raises(ExpectedError, match="its seed noise is unknown: run check with SEED=0,1,2,3,4"):
        accept(run, reason="first", folder=folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": 40}, "expected the whole protocol, got limit 40"),
        ({"variants": {"keypoint-box": "full"}}, "got variants"),
        ({"encoders": list(METHODS)}, "expected a candidate, got none"),
        ({"encoders": ["a:b", "mine:build"]}, "incomplete: no cell of a-b was measured"),
        (
            {"cells": ["part_retrieval/coco/mine-build/encoded/ap"]},
            "1 cells did not run, part_retrieval/coco",
        ),
    ],
)
def test_a_run_that_cannot_stand_for_the_encoder_is_refused(run: Path, folder: Path, changes: dict, words: str) -> None:
    write_record(run, **changes)
    with pytest.raises(RequestError, match=words):
        accept(run, reason="first", folder=folder)
    assert not folder.exists()


def test_what_the_last_attempt_could_not_measure_is_incomplete(run: Path, folder: Path) -> None:
    Store(run).mark_not_run(Key("part_retrieval", "cub200", MINE), "data missing")
    with pytest.raises(RequestError, match="incomplete: 1 cells did not run"):
        accept(run, reason="first", folder=folder)


@pytest.mark.parametrize("name", ["dino", "raw_pixels", "../up", "a b"])
def test_a_name_that_stands_for_something_else_is_refused(run: Path, folder: Path, name: str) -> None:
    with pytest.raises(RequestError, match="and none of deit, mocov3"):
        accept(run, reason="first", name=name, folder=folder)


def test_one_encoder_has_one_file(run: Path, folder: Path) -> None:
    accept(run, reason="first", name="first", folder=folder)
    with pytest.raises(RequestError, match=r"first\.toml: holds values of mine-build already: pass --name first"):
        accept(run, reason="first", folder=folder)


def test_a_broken_file_of_accepted_values_is_named(run: Path, folder: Path) -> None:
    accept(run, reason="first", folder=folder)
    path = folder / "mine-build.toml"
    path.write_text(path.read_text().replace("cap = 0.3", "cap = -1", 1))
    with pytest.raises(ExpectedError, match=r"mine-build\.toml: mini\.cells\..*cap: expected a number >= 0, got -1"):
        load_accepted("mini", folder)


def test_values_without_evidence_are_not_accepted(run: Path, folder: Path) -> None:
    of_older_version(run, Store(run).load(Key("part_retrieval", "cub200", MINE)))
    with pytest.raises(RequestError) as error:
        accept(run, reason="first", folder=folder)
    assert str(error.value) == (
        f"{run}/cells/part_retrieval/cub200/{MINE}.json: carries no evidence, made by an older version: run it again"
    )
