"""A new encoder beside the seven: its ranks, and paired comparisons on the same items, in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cells import METHODS, CellId
from suite.core.files import write_json
from suite.judge.standing import standings
from suite.reference.expected import Expected
from suite.report import candidates, html, markdown
from suite.report import collect as assemble
from suite.report.candidates import pairs, table
from suite.results.store import Store
from tests.support.candidate_run import LEVELS, MINE, of_older_version, store_result


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
