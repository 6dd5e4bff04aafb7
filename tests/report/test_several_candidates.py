"""A report on several candidates: every output says the same of all, and a sweep has plots and the same in a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from suite.report import html, junit, markdown, terminal, trends
from suite.report.candidates import headline
from suite.report.collect import assemble
from suite.report.several import several_of
from suite.report.short_names import short_names
from tests.support import report_forms
from tests.support.candidate_run import SWEEP

NAMES = [*SWEEP.values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def several(folder: Path) -> dict[str, Any]:
    return report_forms.several(folder)


def test_the_headline_is_about_all_candidates_in_every_output(several: dict[str, Any], folder: Path) -> None:
    family = several["together"]["family"]
    sentence = (
        "96 paired comparisons of 3 candidates are one family: 84 with the seven and 12 among themselves. Holm's "
        f"procedure at 5 % over all of them confirms a difference in {family['confirmed']}; "
        f"{96 - family['confirmed']} are open."
    )
    first, *_ = several["newcomers"]
    comparisons = [*first["pairs"], *first["rival_pairs"]]
    better, worse = (sum(pair["confirmed"] and sign * pair["value"] > 0 for pair in comparisons) for sign in (1, -1))
    line = f"better in {better}, worse in {worse}, open in {36 - better - worse} of 36 comparisons; better with objects"
    found = headline(several)
    assert found is not None
    assert (found.name, found.sentence, [name for name, _ in found.lines]) == ("3 candidates", sentence, NAMES)
    assert found.lines[0][1] == f"{line} than with parts; no worse than BEiT: fails"
    assert found.lines[2][1].endswith("; objects or parts: cannot be told; no worse than BEiT: passes")
    text, page = markdown.render(several), html.render(several, folder)
    assert text.index(f"## 3 candidates: {sentence}") < text.index(f"- **{NAMES[0]}**: {line}")
    assert text.index(f"- **{NAMES[2]}**: better") < text.index("The encoders beside them: ")
    assert page.index('aria-label="3 candidates"') < page.index('aria-label="Verdict"')
    assert f"<li><b>{NAMES[0]}</b>: {line}" in page
    assert "<title>3 candidates, " in page
    lines = terminal.verdict_line(several).splitlines()
    assert lines[0] == f"3 candidates: {sentence}"
    assert lines[1] == f"{NAMES[0]}: {line} than with parts; no worse than BEiT: fails"
    suite = ET.fromstring(junit.render(several)).find("testsuite")
    assert suite is not None
    properties = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert properties == {"3 candidates": sentence, **dict(found.lines)}


def test_each_has_its_sentence_its_pairs_and_the_size_of_the_family(several: dict[str, Any], folder: Path) -> None:
    text, page = markdown.render(several), html.render(several, folder)
    for entry in several["newcomers"]:
        assert entry["sentence"] in text
        assert f"### {entry['method']} beside the seven" in text
        assert f"<h3>{entry['method']}</h3>" in page
    phrase = (
        "Of 36 paired comparisons (28 with the seven, 8 with other candidates) Holm's procedure at 5 % over all 96 of "
        "this report confirms that it is better in"
    )
    assert text.count(phrase) == 3
    assert page.count("<summary>36 paired comparisons</summary>") == 3
    assert page.count("Conformance of timm:vit@runs/a/epoch") >= 3
    assert "1 passed</summary>" in page


def test_the_table_of_all_has_value_and_rank_of_candidates_and_the_seven(several: dict[str, Any], folder: Path) -> None:
    view = several_of(several)
    assert view is not None
    assert view.heads == ("epoch100", "epoch200", "epoch300")
    [row] = [row for row in view.rows if row.column.startswith("Part retrieval")]
    assert [(s.value, s.rank) for s in row.candidates] == [("41.0", "7"), ("49.0", "6"), ("57.0", "4")]
    assert [(s.value, s.rank) for s in row.others] == [
        *(("80.0", "1"), ("70.0", "2"), ("60.0", "3"), ("50.0", "5"), ("40.0", "8"), ("30.0", "9"), ("20.0", "10")),
        *(("5.0", ""), ("3.0", "")),
    ]
    assert [s.is_best for s in row.others][:2] == [True, False]
    text = " ".join(markdown.render(several).split())
    assert "Part retrieval, CUB-200-2011: encoded AP | 41.0 (7) | 49.0 (6) | 57.0 (4) | **80.0** (1) | 70.0 (2)" in text
    assert '<td class="n">41.0 <span class="soft small">(7)</span></td>' in html.render(several, folder)
    block = next(terminal.candidate_blocks(several)).splitlines()
    assert block[0].split() == ["value", "(rank)", "epoch100", "epoch200", "epoch300"]
    assert block[-1].endswith("41.0 (7)    49.0 (6)    57.0 (4)")


def test_a_sweep_has_a_plot_by_level_and_by_experiment_and_the_same_in_a_table(
    several: dict[str, Any], folder: Path
) -> None:
    plots = trends.trends(several)
    assert [plot.caption for plot in plots] == [
        *("Mean value by level, over epoch", "Image classification, over epoch", "Object retrieval, over epoch"),
        *("Part classification, over epoch", "Part retrieval, over epoch"),
    ]
    assert plots[-1].alt == (
        "Line plot, Part retrieval, per cent over epoch, with 95 % intervals; from first to last: "
        "CUB-200-2011, encoded AP 41.0 to 57.0."
    )
    assert len({plot.svg for plot in plots}) == 5
    assert all("currentColor" in plot.svg for plot in plots), "ink follows the theme"
    page, text = html.render(several, folder), " ".join(markdown.render(several).split())
    assert all(plot.alt in page for plot in plots)
    [line] = [c for c in several["together"]["trend"]["columns"] if c["experiment"] == "part_retrieval"]
    points = [f"{p['value']:.1f} ({p['low']:.1f} to {p['high']:.1f})" for p in line["points"]]
    assert f"| Part retrieval, CUB-200-2011: encoded AP | {' | '.join(points)} |" in text
    assert all(f'<td class="n">{point}</td>' in page for point in points)


def test_two_candidates_have_no_trend_and_one_is_reported_as_ever(folder: Path, several: dict[str, Any]) -> None:
    record = json.loads((folder / "run.json").read_text())
    specs = record["asked"]["encoders"]
    try:
        for count in (2, 1):
            fewer = record["asked"] | {"encoders": specs[3 - count :]}
            (folder / "run.json").write_text(json.dumps(record | {"asked": fewer}))
            report = assemble(folder)
            assert trends.trends(report) == []
            assert "Trend of the sweep" not in html.render(report, folder) + markdown.render(report)
            assert ("All candidates" in markdown.render(report)) == (count == 2)
        assert report["together"] is None
        [entry] = report["newcomers"]
        assert entry["rival_pairs"] == []
        assert headline(report).name == NAMES[2]
        assert report["conformance"]["encoder"] == [*SWEEP][2]
    finally:
        (folder / "run.json").write_text(json.dumps(record))


def test_an_answer_of_several_that_is_damaged_is_said_and_left_out(folder: Path, several: dict[str, Any]) -> None:
    path = folder / "conformance.json"
    content = path.read_text()
    try:
        path.write_text(content.replace('"rungs"', '"steps"', 1))
        report = assemble(folder)
    finally:
        path.write_text(content)
    assert report["conformances"] == []
    [note] = [note for note in report["notes"] if note.startswith("conformance.json")]
    assert note.startswith("conformance.json: candidates.0.rungs: missing: expected a list; left out here: ")


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (NAMES, ["epoch100", "epoch200", "epoch300"]),
        (["my-build-seed-1", "my-build-seed-2"], ["seed-1", "seed-2"]),
        (["a-build", "b-build"], ["a", "b"]),
        (["my-build", "my-build-2"], ["build", "build-2"]),
        (["x", "y"], ["x", "y"]),
        (["timm-vit-a.pth", "my-build"], ["timm-vit-a.pth", "my-build"]),
        (["one"], ["one"]),
    ],
)
def test_names_are_cut_to_what_differs(names: list[str], short: list[str]) -> None:
    assert [*short_names(names).values()] == short
