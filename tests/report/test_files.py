"""The files: all or nothing each, and what junit and the terminal make of the same cells."""

import errno
import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from suite.errors import StorageError
from suite.judge.entries import cell_properties
from suite.judge.verdict import NOT_ASKED
from suite.report import files, terminal
from tests.support import report_sample


@pytest.fixture(scope="module")
def small(report: dict[str, Any]) -> dict[str, Any]:
    """One cell: nothing to draw, so quick to write."""
    return report | {"cells": report["cells"][:1]}


def test_what_is_written_can_be_read(small: dict[str, Any], tmp_path: Path) -> None:
    files.write(tmp_path / "run", small)
    assert sorted(os.listdir(tmp_path / "run")) == [  # noqa: PTH208
        "badge.json",
        "junit.xml",
        "report.html",
        "report.json",
        "report.md",
        "summary.md",
    ]
    stored_report = files.load(tmp_path / "run")
    assert stored_report.pop("files").keys() == {"badge.json", "junit.xml", "report.html", "report.md", "summary.md"}
    assert stored_report == {name: value for name, value in small.items() if name != "files"}


def test_a_full_disk_leaves_the_old_report_whole(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"report\.html: .*No space left on device"):
        files.write(tmp_path, small)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_a_run_folder_that_is_a_file_is_named(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match=r"run/report\.html: "):
        files.write(tmp_path / "run", small)


def test_nan_is_refused_before_anything_is_written(small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write(tmp_path, small | {"costs": [], "exit_code": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_unicode_is_written(small: dict[str, Any], tmp_path: Path) -> None:
    files.write(tmp_path, small | {"notes": [os.fsdecode(b"caf\xe9.pth")]})
    assert "caf?.pth" in (tmp_path / "report.html").read_text()
    assert "\\udce9" in json.dumps(files.load(tmp_path)["notes"])


def test_cell_properties_carry_full_numbers() -> None:
    ran = report_sample.cell(("a", "b", "c", "d", "e"), measured=1.23456789, expected=1.0, verdict="reproduced")
    assert cell_properties([ran | {"reason": None}]) == [
        ("a/b/c/d/e", "1.23456789"),
        ("a/b/c/d/e#expected", "1.0"),
        ("a/b/c/d/e#verdict", "reproduced"),
    ]


def test_cell_properties_survive_xml(report: dict[str, Any]) -> None:
    case = ET.Element("testcase")
    for name, value in cell_properties(report["cells"]):
        ET.SubElement(case, "property", name=name, value=value)
    assert len(ET.fromstring(ET.tostring(case))) == len(case) > len(report["cells"])


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_table_fits(width: int, report: dict[str, Any]) -> None:
    blocks = terminal.render(report, width=width, colour=False).split("\n\n")
    tables = [block for block in blocks if "-----" in block]
    assert len(tables) >= 4
    assert all(len(line) <= width for block in tables for line in block.splitlines())
    assert "\033" not in "".join(blocks)


def test_the_terminal_says_every_verdict_and_the_sentence(report: dict[str, Any]) -> None:
    text = terminal.render(report, width=100, colour=False)
    [dino] = [line for line in text.split("Table 3: Part retrieval")[1].splitlines() if line.startswith("DINO")][:1]
    assert dino.split()[:3] == ["DINO", "39.6", "DEV"]
    assert "Table 2: not run: linear segmentation comes with its own issue" in text
    assert "Part classification    27 reproduced, 1 deviates, 12 no reference" in text
    gates = text.splitlines()[-2:]
    assert gates == [f"DEVIATES: {report['sentence']}", f"CHANGED: {report['accepted']['sentence']}"]


def test_the_terminal_leaves_out_what_nobody_asked_for(report: dict[str, Any]) -> None:
    trial = ("part_retrieval", "cub200", "dino")
    unasked = {"verdict": "not run", "reason": NOT_ASKED, "measured": None}
    words = ("experiment", "dataset", "method")
    cells = [c if tuple(c[w] for w in words) == trial else c | unasked for c in report["cells"]]
    report = report | {"cells": cells}
    text = terminal.render(report, width=100, colour=False)
    assert "Table 3: Part retrieval" in text
    assert "DINO" in text
    assert not any(word in text for word in ("Table 1", "Table 2", "MAE", "COCO", "Part classification"))
    assert f"of {len(report['cells'])} cells" in text


def test_a_long_name_is_cut_only_where_it_would_push_cells_out(report: dict[str, Any]) -> None:
    name = {"method": "timm-vit_base_patch16_224"}
    report = report | {"cells": [c | name if c["method"] == "dino" else c for c in report["cells"]]}
    assert "timm-vit_base_patch16_224" in terminal.render(report, width=100, colour=False)


def test_colour_is_asked_for(report: dict[str, Any]) -> None:
    assert "\033[31;1m 39.6 DEV\033[0m" in terminal.render(report, width=100, colour=True)


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "0"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_show_it(
    small: dict[str, Any], variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://no-color.org: an empty NO_COLOR says nothing, and any other text means no colour."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\033[" in terminal.render(small, width=100)) is coloured


@pytest.mark.parametrize("columns", ["1", "0", "-3", "wide"])
def test_a_window_of_any_width_is_written_for(
    small: dict[str, Any], columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.render(small, colour=False).endswith(terminal.verdict_line(small, colour=False))


def test_control_characters_do_not_reach_the_terminal(report: dict[str, Any]) -> None:
    assert "\033" not in terminal.render(report | {"sentence": "a\033[2Jb"}, width=100, colour=False)
