"""The page on many runs: their order, what each was made of, cells that moved, gates; and several runs as a table."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from suite.cli.main import main
from suite.errors import RequestError
from suite.report.build import SCHEMA
from suite.report.collect import report as judge_again
from suite.report.compare_several import compare_several
from suite.report.history import CellTrend, Gate, histories, reports_in, run_lines
from suite.report.history_page import render, write_history
from suite.report.sparkline import HEIGHT, WIDTH, sparkline
from suite.results.store import Store
from tests.support.archived_run import CELL, items, result, write_run

Report = dict[str, Any]
MOVED = "part_classification/cub200/dino/linear/accuracy"
HELD = {"verdict": "unchanged", "reason": "", "value": 44.0, "difference": 0.1, "tolerance": 0.25}


@pytest.fixture
def ten(report: Report, tmp_path: Path) -> Path:
    """Ten runs of which the later ones were made elsewhere, one of them by a variant; the newest is named first."""
    for k in range(10):
        run = deepcopy(report) | {"run": f"run-{9 - k}", "finished": f"2026-{k + 1:02d}-11T12:00:00+00:00"}
        run["cells"] = [cell for cell in run["cells"] if cell["id"].startswith("part_classification/cub200/dino")]
        for cell in run["cells"]:
            if cell["id"] == MOVED:
                cell |= {"measured": 43.0 + k / 10, "expected": 43.6, "tolerance": 0.5, "accepted": HELD}
        run["environments"] = [{"digest": "e" * 64 if k < 6 else "f" * 64, "said": f"CPU {k // 6}", "results": ["x"]}]
        run["asked"] = run["asked"] | ({"variants": {"keypoint-box": "full"}} if k == 3 else {"variants": {}})
        folder = tmp_path / f"run-{9 - k}"
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(run))
    return tmp_path


def test_runs_stand_in_the_order_in_which_they_finished(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    assert [run.name for run in history.runs] == [f"run-{k}" for k in range(9, -1, -1)]
    assert [run.number for run in history.runs] == [*range(1, 11)]
    assert [run.environment for run in history.runs] == [1] * 6 + [2] * 4
    assert [run.asked for run in history.runs] == [""] * 3 + ["keypoint-box=full"] + [""] * 6
    first = history.runs[0]
    assert (first.finished, first.commit, first.verdict.word) == ("2026-01-11 12:00", "01234567", "deviates")
    assert history.environments == [("environment 1", "CPU 0"), ("environment 2", "CPU 1")]


def test_cells_that_moved_come_first_with_the_gates_of_the_last_run(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    [moved] = history.moved
    assert moved.id == MOVED
    assert moved.values == tuple(43.0 + k / 10 for k in range(10))
    assert moved.gates == (Gate("expected", 43.6, 0.5), Gate("accepted", 44.0, 0.25))
    assert [gate.text for gate in moved.gates] == ["expected 43.60 ± 0.50", "accepted 44.00 ± 0.25"]
    assert [cell.id for cell in history.cells if not cell.has_moved] == [
        "part_classification/cub200/dino/attentive/accuracy"
    ]


def test_a_run_that_lacks_a_cell_leaves_a_gap_and_profiles_stand_apart(ten: Path) -> None:
    reports = reports_in(ten)[0]
    [gone] = [report for folder, report in reports if folder.name == "run-5"]
    gone["cells"] = []
    [other] = [report for folder, report in reports if folder.name == "run-0"]
    other["profile"] = "paper"
    mini, paper = histories(reports)
    assert (mini.profile, len(mini.runs), paper.profile, len(paper.runs)) == ("mini", 9, "paper", 1)
    [moved] = mini.moved
    assert moved.values[4] is None
    assert len(moved.known) == 8
    assert not paper.moved


def test_a_plot_has_a_point_a_run_and_says_the_same_in_words(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    plot = sparkline(history.moved[0], history.runs)
    assert plot.svg.count("<circle") == 10
    assert plot.svg.count('class="open"') == 1
    assert plot.svg.count('class="change"') == 1
    assert plot.svg.count("<rect") == 2
    assert "run 4, run-6, 2026-04-11 12:00, commit 01234567, keypoint-box=full: 43.3000" in plot.svg
    assert plot.alt.startswith(f"{MOVED}, per cent: run 1 43.00; run 2 43.10; ")
    assert plot.alt.endswith("; run 10 43.90; expected 43.60 ± 0.50; accepted 44.00 ± 0.25.")


def test_points_and_gates_lie_where_their_values_are(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    two = list(history.runs[:2])
    svg = sparkline(CellTrend("a/b/c/d/e", "a", (10.0, 12.0), (Gate("expected", 11.0, 1.0),)), two).svg
    points = [tuple(map(float, found)) for found in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert points == [(9.0, HEIGHT - 9.0), (WIDTH - 9.0, 9.0)]
    assert f'<rect class="expected" x="0" y="9.0" width="{WIDTH}" height="{HEIGHT - 18:.1f}"/>' in svg
    assert f'y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"' in svg


def test_a_gate_far_wider_than_the_values_does_not_flatten_them(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    wide = CellTrend("a/b/c/d/e", "a", (10.0, 10.1), (Gate("expected", 10.0, 50.0),))
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', sparkline(wide, history.runs[:2]).svg)]
    assert heights[0] - heights[1] == pytest.approx((HEIGHT - 18) / 9, abs=0.2)


def test_a_value_that_never_moved_is_a_flat_line(ten: Path) -> None:
    [history] = histories(reports_in(ten)[0])
    svg = sparkline(CellTrend("a/b/c/d/e", "a", (7.0, 7.0), ()), history.runs[:2]).svg
    assert {*re.findall(r'cy="([\d.]+)"', svg)} == {f"{HEIGHT / 2:.1f}"}


def test_the_page_holds_all_of_it_and_escapes_what_it_is_given(ten: Path) -> None:
    page, count, problems = write_history(ten)
    text = page.read_text()
    assert (page, count, problems) == (ten / "history.html", 10, [])
    assert "Cells that have moved: 1 of 2" in text
    assert text.count("<svg") == 3  # that moved, and both among all cells
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    reports = reports_in(ten)[0]
    hostile = Path('<script>alert("x")</script>')
    assert "<script" not in render(histories([(hostile, report) for _, report in reports]), [str(hostile)])


def test_a_report_that_cannot_be_read_is_left_out_and_named(ten: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ten / "broken").mkdir()
    (ten / "broken" / "report.json").write_text('{"schema": 7}')
    problem = f"{ten}/broken/report.json: expected a report of schema {SCHEMA}, got schema 7; run that report again"
    assert main(["history", str(ten), "--out", str(ten / "x.html")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{ten}/x.html: 10 runs\n"
    assert problem in err
    assert problem in (ten / "x.html").read_text()


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    expectation = f"{tmp_path}: expected a folder of finished runs, each with a report.json, got none"
    with pytest.raises(RequestError) as caught:
        write_history(tmp_path)
    assert str(caught.value) == expectation
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "report.json").write_text("[]")
    with pytest.raises(RequestError) as caught:
        write_history(tmp_path)
    assert (
        str(caught.value) == f"{expectation}; {tmp_path}/x/report.json: expected a table, got []; run that report again"
    )


def test_several_runs_are_a_table_of_what_moved_each_against_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(tmp_path / name) for name in "abc"]
    Store(runs[2]).save(result(value=13.5), items(13.5))
    judge_again(runs[2])
    capsys.readouterr()
    text, code = compare_several(runs)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "Runs"
    assert [line.split()[:2] for line in lines[3:6]] == [["1", "a"], ["2", "b"], ["3", "c"]]
    assert f"{CELL} 12.2500 12.2500 13.5000 1.2500" in lines
    assert "1 of 2 measured cells are the same in all runs" in lines
    assert "2 against 1: In 2 cells every item scores the same in both." in lines
    assert code == 1
    page = tmp_path / "page.html"
    assert main(["compare", *map(str, runs), "--page", str(page)]) == 1
    assert capsys.readouterr().out == f"{text}\npage: {page}\n"
    assert "Cells that have moved: 1 of 2" in page.read_text()
    assert compare_several([runs[0], runs[1], runs[0]])[1] == 0


def test_runs_of_older_reports_have_no_environment(report: Report) -> None:
    old = {name: value for name, value in report.items() if name != "environments"}
    [line] = run_lines([(Path("runs/old"), old)])
    assert (line.environment, line.said) == (0, "unknown")
