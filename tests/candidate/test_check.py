"""A new encoder beside the seven: paired comparisons, ranks, values accepted for later, and `check` itself."""

from __future__ import annotations

import json
import random
import statistics
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.candidate.accept import accept
from suite.candidate.check import adopt, companions
from suite.cells import METHODS, CellId, method_name
from suite.cli.main import main
from suite.core.files import write_json
from suite.errors import ExpectedError, RequestError
from suite.judge.paired import differences
from suite.judge.standing import standings
from suite.mini.render import render
from suite.protocol import constants
from suite.reference import select as references
from suite.reference.candidates import load_accepted
from suite.reference.expected import Expected
from suite.report import candidates, html, markdown
from suite.report import collect as assemble
from suite.report.candidates import pairs, table
from suite.results.store import Key, PerItemScores, Result, Store
from suite.run.request import make_request
from tests.support.archived_run import alter

MINE = "mine-build"
PLACES = {
    "object_retrieval/cifar10": ("encoded/ap", []),
    "image_classification/imagenet1k": ("linear/top1", [0]),
    "part_retrieval/cub200": ("encoded/ap", []),
    "part_classification/cub200": ("linear/accuracy", [0]),
}
LEVELS = dict(zip(METHODS, (80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0), strict=True))
ITEMS = 120


def store_result(run: Path, place: str, method: str, value: float, **changes: object) -> Result:
    """A result with a value, and scores of items around it."""
    name, seeds = PLACES[place]
    experiment, dataset = place.split("/")
    draw = np.random.default_rng([len(place), *method.encode()])
    values = [round(value + shift, 3) for shift in (draw.normal(0, 0.2, max(1, len(seeds))) if seeds else [0])]
    scores = value / 100 + draw.normal(0, 0.05, (max(1, len(seeds)), ITEMS))
    scores += np.array(values)[:, None] / 100 - scores.mean(axis=1, keepdims=True)
    result = Result(
        key=Key(experiment, dataset, method),
        values={name: values},
        summaries={"test_items": 400} if seeds else {},
        inputs={"weights": "a" * 64, "data": "d", "code": "c"},
        protocol={},
        facts={"seeds": seeds, "seconds": 1.0, "device": "cpu", "packages": {}, "code_state": {"commit": "c0ffee"}},
    )
    identity = str(changes.get("identity", place))
    items = PerItemScores({name: scores}, identity, np.arange(ITEMS, dtype=np.int32) // 3)
    Store(run).save(result, items)
    return Store(run).load(result.key)


def of_older_version(run: Path, result: Result) -> None:
    """Its file as it was before results carried evidence."""
    path = Store(run).path(result.key)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in record.items() if k not in ("digest", "items")} | {"schema": 1}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished check: good at objects (second), bad at parts (last)."""
    folder = tmp_path / "run"
    for place in PLACES:
        for method, value in LEVELS.items():
            store_result(folder, place, method, value)
        store_result(folder, place, MINE, 75.0 if place.startswith(("object", "image")) else 10.0)
    write_record(folder)
    return folder


def write_record(folder: Path, **changes: object) -> None:
    specs = ["mine:build", *METHODS]
    cells = [f"{place}/{method_name(spec)}/{PLACES[place][0]}" for place in PLACES for spec in specs]
    request = {
        "profile": "mini",
        "encoders": specs,
        "experiments": [place.split("/")[0] for place in PLACES],
        "datasets": [place.split("/")[1] for place in PLACES],
        "cells": cells,
        "variants": {},
        "limit": None,
        "strict": False,
        "device": "cpu",
        "seeds": [0],
    } | changes
    times = {"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00", "reused": []}
    write_json(folder / "run.json", {"asked": request, **times})


def entry(run: Path, expected: dict | None = None) -> dict:
    [candidate_entry] = standings(Store(run), list(Store(run).results()), expected or {}, "recorded")
    return candidate_entry


# paired comparisons


def slow_bootstrap(a: list[float], b: list[float], groups: list[int], draws: int) -> list[float]:
    """Draw whole groups again, average what was drawn: the definition."""
    draw = random.Random(1)
    members = {g: [i for i, group in enumerate(groups) if group == g] for g in set(groups)}
    means = []
    for _ in range(draws):
        indices = [i for _ in members for i in members[draw.choice(list(members))]]
        means.append(100 * statistics.fmean(a[i] - b[i] for i in indices))
    return sorted(means)


def test_an_interval_is_that_of_the_definition() -> None:
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 30, 90).astype(np.int32)
    image = draw.normal(0, 0.2, 30)[groups]  # what the items of an image share
    a, b = (0.5 + draw.normal(0, 0.1, 90) + image).astype(np.float32), draw.normal(0.45, 0.1, 90).astype(np.float32)
    difference = differences(a[None], {"b": b[None]}, groups)["b"]
    means = slow_bootstrap(a.tolist(), b.tolist(), groups.tolist(), 3000)
    assert difference.value == pytest.approx(100 * float((a - b).mean()), abs=1e-4)
    assert (difference.items, difference.images) == (90, len(set(groups.tolist())))
    assert difference.low == pytest.approx(means[75], abs=0.6)
    assert difference.high == pytest.approx(means[2925], abs=0.6)
    independent_difference = differences(a[None], {"b": b[None]}, np.arange(90, dtype=np.int32))["b"]
    assert independent_difference.high - independent_difference.low < 0.8 * (difference.high - difference.low), (
        "items of one image are no independent evidence"
    )


def test_what_is_hard_for_both_cancels() -> None:
    hard = np.random.default_rng(0).normal(0.5, 0.2, 200).astype(np.float32)
    groups = np.arange(200, dtype=np.int32)
    difference = differences((hard + 0.01)[None], {"other": hard[None]}, groups)["other"]
    assert difference.value == pytest.approx(1.0, abs=1e-3)
    assert difference.low == pytest.approx(difference.high, abs=1e-3)
    assert difference.p_value == pytest.approx(2 / 10_000)


def test_equal_scores_are_no_difference_and_seeds_are_averaged() -> None:
    scores = np.random.default_rng(0).uniform(0, 1, (3, 50)).astype(np.float32)
    groups = np.zeros(50, np.int32) + np.arange(50) % 10
    assert differences(scores, {"same": scores.mean(0, keepdims=True)}, groups)["same"].p_value == 1.0


def test_a_true_difference_of_none_is_rarely_called_one() -> None:
    draw, called = np.random.default_rng(2), 0
    groups = np.repeat(np.arange(60), 2).astype(np.int32)
    for _ in range(200):
        a, b = (draw.normal(0.5, 0.2, (1, 120)).astype(np.float32) for _ in range(2))
        called += differences(a, {"b": b}, groups, draws=499)["b"].p_value <= 0.05
    assert 2 <= called <= 22


# beside the seven


def test_ranks_and_levels_are_those_of_the_values(run: Path) -> None:
    candidate_entry = entry(run)
    ranks = sorted((column["level"], column["rank"], column["of"]) for column in candidate_entry["columns"])
    assert ranks == [("object", 2, 8), ("object", 2, 8), ("part", 8, 8), ("part", 8, 8)]
    assert candidate_entry["mean_ranks"][MINE] == {"object": 2, "part": 8}
    assert candidate_entry["mean_ranks"]["deit"] == {"object": 1, "part": 1}
    assert candidate_entry["sentence"] == (
        "Among eight encoders it ranks 2.0 on average at object level (2 columns) and 8.0 at part level (2 columns): "
        "better with objects than with parts, beside the seven."
    )


def test_equal_values_share_their_ranks(run: Path) -> None:
    store_result(run, "part_retrieval/cub200", MINE, LEVELS["dino"])
    [column] = [c for c in entry(run)["columns"] if c["experiment"] == "part_retrieval"]
    assert (column["rank"], column["ranks"]["dino"]) == (3.5, 3.5)


def test_a_method_that_was_not_measured_is_replaced_by_its_reference_and_said_to_be(run: Path) -> None:
    cell = CellId("part_retrieval", "cub200", "dino", "encoded", "ap")
    (run / "cells/part_retrieval/cub200/dino.json").unlink()
    reference = Expected(cell, 44.4, "percent", 0.0, None, "us", True, 0.05, 0.3, "why")
    candidate_entry = entry(run, {cell: reference})
    [column] = [c for c in candidate_entry["columns"] if c["experiment"] == "part_retrieval"]
    assert column["references"]["dino"] == {"value": 44.4, "source": "recorded"}
    assert column["references"]["mae"]["source"] == "measured"
    assert not [p for p in candidate_entry["pairs"] if p["experiment"] == "part_retrieval" and p["reference"] == "dino"]
    [row] = [row for row in table(candidate_entry) if row.column.startswith("Part retrieval")]
    assert row.values[METHODS.index("dino")] == ("44.4", "r")
    assert candidates.marks(candidate_entry) == [("r", "recorded")]


def test_only_the_same_items_are_paired(run: Path) -> None:
    assert len(entry(run)["pairs"]) == 4 * 7
    store_result(run, "part_retrieval/cub200", "dino", 60.0, identity="other items")
    of_older_version(run, store_result(run, "part_retrieval/cub200", "mae", 40.0))
    methods = {p["reference"] for p in entry(run)["pairs"] if p["experiment"] == "part_retrieval"}
    assert methods == set(METHODS) - {"dino", "mae"}


def test_pairs_are_confirmed_by_holm_and_said_in_words(run: Path) -> None:
    candidate_entry = entry(run)
    assert all(pair["confirmed"] for pair in candidate_entry["pairs"]), "differences of 5 points and more on 120 items"
    assert "confirms that it is better in 12 and worse in 16; 0 are open" in candidates.verdict_of_pairs(
        candidate_entry
    )
    assert {(p.word, p.tone) for p in pairs(candidate_entry)} == {("better", "good"), ("worse", "bad")}
    assert "No paired comparison" in candidates.verdict_of_pairs(candidate_entry | {"pairs": []})


def test_the_report_shows_the_section(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = {"name": "loads", "question": "can it?", "status": "warning", "detail": "<b>odd</b>"}
    conformance = {"encoder": "mine:build", "rungs": [check], "facts": {}, "fingerprint": {}}
    write_json(run / "conformance.json", conformance)
    report = assemble.assemble(run)
    page, text = html.render(report, run), markdown.render(report)
    for phrase in (
        "Beside the seven",
        "better with objects than with parts",
        "28 paired comparisons",
        "Mean rank of eight",
    ):
        assert phrase in page
    assert "&lt;b&gt;odd" in page
    assert "<b>odd" not in page
    assert "### mine-build beside the seven" in text
    write_json(run / "conformance.json", conformance | {"encoder": "another"})
    assert assemble.assemble(run)["conformance"] is None


# accepted values


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of accepted values."""
    root = tmp_path / "expected"
    monkeypatch.setattr(references, "EXPECTED", root)
    monkeypatch.setattr(references, "_load", lambda _profile: EXPECTED_OF_THE_SEVEN)
    return root / "encoders"


def recorded_value(experiment: str, dataset: str, setting: str, metric: str) -> Expected:
    cell = CellId(experiment, dataset, "dino", setting, metric)
    return Expected(cell, 60.0, "percent", 0.0, None, "us", False, 0.25, 3.0, "why", seed_sd=0.4, seed_df=36, seeds=5)


EXPECTED_OF_THE_SEVEN = {
    e.cell: e
    for e in (
        recorded_value("image_classification", "imagenet1k", "linear", "top1"),
        recorded_value("part_classification", "cub200", "linear", "accuracy"),
    )
}


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
        ({"encoders": list(METHODS)}, "expected one candidate, got none"),
        ({"encoders": ["a:b", "mine:build"]}, "expected one candidate, got a:b, mine:build"),
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


# check


def test_companions() -> None:
    assert companions([], profile="mini", alone=False)[:7] == list(METHODS)
    assert companions([], profile="mini", alone=True) == []
    assert companions([], profile="paper", alone=False) == []
    assert companions(["dino"], profile="paper", alone=False) == ["dino"]
    with pytest.raises(RequestError, match="--alone and --encoder dino"):
        companions(["dino"], profile="mini", alone=True)


def test_finished_results_of_another_run_are_adopted_with_their_items(run: Path, tmp_path: Path) -> None:
    request = make_request(encoders=["dino"], experiments=["part_retrieval"], datasets=["cub200"], run=tmp_path / "new")
    adopt(run, request)
    store = Store(request.run)
    result = store.load(Key("part_retrieval", "cub200", "dino"))
    assert result is not None
    assert store.load_if_valid(result.key, result.inputs) == result
    assert store.items(result) is not None
    assert len(list(store.results())) == 1, "only what is asked for"
    store.save(replace(result, values={"encoded/ap": [1.0]}))
    adopt(run, request)
    assert store.load(result.key).values == {"encoded/ap": [1.0]}, "what is there stays"


def test_what_was_edited_in_another_run_is_named_and_not_adopted(run: Path, tmp_path: Path, capsys) -> None:
    request = make_request(encoders=["dino"], experiments=["part_retrieval"], datasets=["cub200"], run=tmp_path / "new")
    path = Store(run).path(Key("part_retrieval", "cub200", "dino"))
    alter(path, lambda cell: cell["values"].update({"encoded/ap": [99.0]}), sign=True)
    adopt(run, request)
    assert capsys.readouterr().err == (
        f"warning: {path}: encoded/ap: expected 60.000000, as the items of {run}/items/part_retrieval/cub200/"
        "dino.safetensors score, got 99.0: not taken over, measured again\n"
    )
    assert list(Store(request.run).keys()) == []


def test_values_without_evidence_are_not_accepted(run: Path, folder: Path) -> None:
    of_older_version(run, Store(run).load(Key("part_retrieval", "cub200", MINE)))
    with pytest.raises(RequestError) as error:
        accept(run, reason="first", folder=folder)
    assert str(error.value) == (
        f"{run}/cells/part_retrieval/cub200/{MINE}.json: carries no evidence, made by an older version: run it again"
    )


def test_check_measures_a_user_s_encoder_beside_another(tmp_path: Path, monkeypatch, capsys) -> None:
    render(tmp_path / "data", names=("cifar10",), workers=1, progress=False)
    (tmp_path / "checked.py").write_text(
        "from tests.support.vits import TinyViT\ndef build():\n    return TinyViT(registers=2).wrapped()\n"
        "def broken():\n    return TinyViT().wrapped(mean=(123, 116, 103), std=(58, 57, 57))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("suite.reproduction.measure.prepare_data", lambda *_args, **_kwargs: None)
    run = tmp_path / "run"
    narrow_options = ["--experiment", "object_retrieval", "--dataset", "cifar10", "--workers", "1", "--encoder", "dino"]
    places = ["--run", str(run), "--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]
    assert main(["check", "checked:build", *narrow_options, *places]) == 0
    assert "ok   patch order" in capsys.readouterr().out
    report = json.loads((run / "report.json").read_text())
    [candidate] = report["newcomers"]
    [pair] = [p for p in candidate["pairs"] if p["setting"] == "encoded"]
    values = {c["id"]: c["measured"] for c in report["cells"]}
    cells = [f"object_retrieval/cifar10/{method}/encoded/ap" for method in ("checked-build", "dino")]
    assert pair["value"] == pytest.approx(values[cells[0]] - values[cells[1]], abs=1e-3)
    assert candidate["columns"][0]["references"]["mae"]["source"] == "recorded"
    assert {check["status"] for check in report["conformance"]["rungs"]} == {"passed"}

    assert main(["check", "checked:broken", *narrow_options, "--run", str(tmp_path / "broken")]) == 3
    captured = capsys.readouterr()
    assert "error: encoder 'checked:broken': normalisation: mean (123.0" in captured.err
    assert "FAIL normalisation" in captured.out
    assert json.loads((tmp_path / "broken/conformance.json").read_text())["rungs"][1]["status"] == "failed"
    assert not (tmp_path / "broken/cells").exists()
    sys.modules.pop("checked")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "dino", "--alone"], "error: encoder 'dino': one of the profile's own"),
        (["check", "vit_base_patch16_224", "--alone"], "error: unknown encoder 'vit_base_patch16_224'"),
        (["accept", "no/such/run"], "error: no/such/run: expected a run folder with run.json"),
    ],
)
def test_a_wrong_request_is_one_line(arguments: list[str], words: str, tmp_path: Path, capsys) -> None:
    run_options = ["--run", str(tmp_path / "run")] if arguments[0] == "check" else []
    assert main([*arguments, *run_options]) == 3
    error_text = capsys.readouterr().err.strip()
    assert error_text.startswith(words)
    assert "\n" not in error_text


def test_two_files_of_one_name_would_share_their_cells() -> None:
    assert method_name("timm:test_vit@/some/where/vit.pth") == "timm-test_vit-vit.pth"
    with pytest.raises(RequestError, match=r"both would be called 'dino-x\.pth'"):
        make_request(encoders=["dino@a/x.pth", "dino@b/x.pth"])
