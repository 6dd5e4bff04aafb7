"""Deviating cells as annotations: level, place of the expected value, text, and how many GitHub keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest

from suite.cli.main import main
from suite.core.paths import ROOT
from suite.report.workflow_commands import commands
from tests.support import report_sample
from tests.support.fabricated import write_run
from tests.support.report_forms import mini_values

PLACE = ("part_retrieval", "cub200", "dino", "encoded", "ap")


def off(place: tuple[str, str, str, str, str] = PLACE, **changes: Any) -> dict[str, Any]:
    values = {"measured": 30.0, "expected": 31.0, "difference": -1.0, "tolerance": 0.05, "verdict": "deviates"}
    return report_sample.cell(place, **values | {"reason": "too far, by 100 %\nof it"} | changes)


def test_a_deviation_stands_at_its_expected_value(report: dict[str, Any]) -> None:
    [line] = commands(report | {"cells": [off()]})
    match = re.fullmatch(r"::error file=(.*),line=(\d+),title=(.*)::(.*)", line)
    assert match is not None
    file, number, title, message = match.groups()
    assert file == "expected/mini/part_retrieval.toml"
    lines = (ROOT / file).read_text().splitlines()
    assert lines[int(number) - 1].startswith("dino = { mean = ")
    head = [line for line in lines[: int(number)] if line.startswith("[")][-1]
    assert head == "[part_retrieval.cells.cub200.encoded.ap]"
    assert title == "deviates%3A part_retrieval/cub200/dino/encoded/ap"
    assert message == ("measured 30.00, expected 31.00, difference −1.00, tolerance 0.05: too far, by 100 %25%0Aof it")


def test_the_paper_s_value_stands_in_its_table(report: dict[str, Any]) -> None:
    [line] = commands(report | {"profile": "paper", "cells": [off()]})
    assert line.startswith("::error file=expected/paper/table3.toml,line=")


def test_a_cell_without_a_place_is_still_told(report: dict[str, Any]) -> None:
    [line] = commands(report | {"cells": [off((*PLACE[:2], "mine:build", *PLACE[3:]), verdict="unexpected")]})
    assert line.startswith("::error title=unexpected%3A part_retrieval/cub200/mine%3Abuild/encoded/ap::measured")


def test_what_the_family_does_not_confirm_warns_and_the_rest_is_no_news(report: dict[str, Any]) -> None:
    others = [off(verdict=verdict) for verdict in ("reproduced", "inconclusive", "not run", "known deviation")]
    [line] = commands(report | {"cells": [*others, off(warning=True)]})
    assert line.startswith("::warning file=")


def test_ten_of_a_level_are_kept_the_largest_first(report: dict[str, Any]) -> None:
    cells = [off((*PLACE[:4], f"m{k}"), difference=float(k)) for k in range(12)]
    lines = commands(report | {"cells": cells, "run": "a:b"})
    assert [re.findall(r"/(m\d+)::", line) for line in lines[:9]] == [[f"m{k}"] for k in range(11, 2, -1)]
    assert lines[9:] == ["::error title=more::3 more cells, in report.md of run a:b"]


def test_the_verb_prints_them_after_the_verdict(tmp_path: Any, capsys: pytest.CaptureFixture) -> None:
    values = mini_values(("cub200",))
    key = next(key for key in values if (key.experiment, key.method) == ("part_retrieval", "dino"))
    values[key]["encoded/ap"] = [values[key]["encoded/ap"][0] - 5]
    run = write_run(tmp_path / "run", "mini", values, [0])
    assert main(["report", str(run), "--annotations"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("::error file=expected/mini/part_retrieval.toml,line=")
    assert main(["report", str(run)]) == 1
    assert "::error" not in capsys.readouterr().out
