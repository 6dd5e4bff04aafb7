"""A new encoder beside the seven: its ranks, and paired comparisons on the same items, in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cells import METHODS, CellId
from suite.core.files import write_json
from suite.judge.standing import standings
from suite.reference.expected import Expected
from suite.report import candidates, html, markdown, terminal
from suite.report import collect as assemble
from suite.report.candidates import pairs, table
from suite.results.store import Key, Store
from tests.support.candidate_run import FLOORS, LEVELS, MINE, PLACES, of_older_version, store_result


def entry(run: Path, expected: dict | None = None) -> dict:
    [candidate_entry] = standings(Store(run), list(Store(run).results()), expected or {}, "recorded")
    return candidate_entry


def test_ranks_and_levels_are_those_of_the_values(run: Path) -> None:
    candidate_entry = entry(run)
    ranks = sorted((column["level"], column["rank"], column["of"]) for column in candidate_entry["columns"])
    assert ranks == [("object", 2, 8), ("object", 2, 8), ("part", 8, 8), ("part", 8, 8)]
    assert candidate_entry["mean_ranks"][MINE] == {"object": 2, "part": 8}
    assert candidate_entry["mean_ranks"]["deit"] == {"object": 1, "part": 1}
    assert candidate_entry["sentence"] == (
        "Among eight encoders it ranks 2.0 on average at object level (2 columns) and 8.0 at part level (2 columns), "
        "a difference of -6.0 with -6.0 to -6.0 (95 % interval), above the floors: "
        "better with objects than with parts, beside the seven."
    )
    assert candidate_entry["levels"] == {"low": -6.0, "high": -6.0, "columns": {"object": 2, "part": 2}}


LEVELS_UNKNOWN = "whether it is better with objects or with parts cannot be told"


def test_an_encoder_at_the_floor_is_not_called_better_with_anything(run: Path) -> None:
    for place in PLACES:
        store_result(run, place, MINE, 75.0 if place.startswith(("object", "image")) else 3.1)
        store_result(run, place, "random_init", 75.2 if place == "object_retrieval/cifar10" else 5.0)
    assert entry(run)["sentence"].endswith(
        f"{LEVELS_UNKNOWN}: at object level it is not above the floor (random_init, raw_pixels) in 1 of 4 comparisons."
    )


def test_levels_that_chance_tells_apart_are_not_told(run: Path) -> None:
    for place in PLACES:
        for method in LEVELS:
            store_result(run, place, method, 0.45)
        store_result(run, place, MINE, 0.60 if place.startswith("part") else 0.44)
    candidate_entry = entry(run)
    assert candidate_entry["levels"]["low"] < 0 < candidate_entry["levels"]["high"]
    assert f"{LEVELS_UNKNOWN}: the difference of" in candidate_entry["sentence"]


def test_without_items_or_floors_levels_are_not_told(run: Path) -> None:
    for floor in FLOORS:
        for place in PLACES:
            (run / f"cells/{place}/{floor}.json").unlink()
    assert entry(run)["sentence"].endswith(
        f"{LEVELS_UNKNOWN}: no floor (random_init, raw_pixels) was measured on the same items."
    )
    for place in PLACES:
        of_older_version(run, Store(run).load(Key(*place.split("/"), "dino")))
    candidate_entry = entry(run)
    assert candidate_entry["levels"] is None
    assert candidate_entry["sentence"].endswith(
        f"{LEVELS_UNKNOWN}: this run has no scores of single items of all seven at both levels."
    )


def test_floors_stand_beside_the_candidate_and_outside_holm_s_family(run: Path) -> None:
    candidate_entry = entry(run)
    floors = [c["floors"] for c in candidate_entry["columns"] if c["experiment"] == "part_retrieval"]
    assert floors == [
        {"random_init": {"value": 5.0, "source": "measured"}, "raw_pixels": {"value": 3.0, "source": "measured"}}
    ]
    assert len(candidate_entry["floor_pairs"]) == 4 * 2
    assert {pair["reference"] for pair in candidate_entry["pairs"]} == set(METHODS)
    [row] = [row for row in table(candidate_entry) if row.column.startswith("Part retrieval")]
    assert row.values[-2:] == (("5.0", ""), ("3.0", ""))


def test_the_headline_is_about_the_candidate(run: Path) -> None:
    report = assemble.assemble(run)
    lines = terminal.verdict_line(report).splitlines()
    assert lines[0].startswith(
        "mine-build: Of 28 paired comparisons Holm's procedure at 5 % confirms that it is better"
    )
    assert ": The encoders beside it: " in lines[1]
    text, page = markdown.render(report), html.render(report, run)
    assert text.index("## mine-build: Of 28") < text.index("The encoders beside it: ")
    assert page.index('aria-label="Candidate mine-build"') < page.index('aria-label="Verdict"')


def test_the_heads_that_a_probe_had_are_shown(run: Path) -> None:
    report = assemble.assemble(run)
    assert report["newcomers"][0]["probes"] == [
        {"experiment": "image_classification", "dataset": "imagenet1k", "num_heads": 4},
        {"experiment": "part_classification", "dataset": "cub200", "num_heads": 4},
    ]
    assert report["protocol"]["encoders"][MINE]["part_classification on cub200"] == {"num_heads": 4}
    for text in (html.render(report, run), markdown.render(report)):
        assert "Put on it: attentive probe with 4 heads." in text


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
