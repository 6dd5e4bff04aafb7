"""The view of a report: what is shown, in which order, in which words; and the templates it is shown by."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from suite.core.paths import ROOT, SUITE
from suite.report import html, markdown
from suite.report.html import TEMPLATES
from suite.report.maker import KINDS
from suite.report.triaged import still_true
from suite.report.triaged import view as triage_of
from suite.report.view.cells import GateLine, Reason, cell_line
from suite.report.view.page import SECTIONS, Page, page
from tests.support import report_sample

FILES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def view(report: dict[str, Any]) -> Page:
    return page(report)


def test_sections_stand_in_the_order_of_the_page(view: Page, report: dict[str, Any]) -> None:
    without = [section.id for section in SECTIONS if section.id != "beside"]
    assert [section.id for section in view.sections] == without, "no candidate, no encoder checked"
    bare_page = page(report | {"accepted": None, "attempts": None})
    assert [section.id for section in bare_page.sections] == [i for i in without if i not in {"accepted", "attempts"}]
    headings = {section.id: section.heading for section in SECTIONS}
    assert (headings["tables"], headings["search"]) == ("The paper's tables", "Patch search")


def test_a_cell_is_a_line_of_text(view: Page) -> None:
    by_id = {cell.id: cell for cell in view.cells}
    line = by_id["part_classification/coco/cae/attentive/accuracy"]
    assert (line.measured, line.expected, line.difference, line.tolerance) == ("90.91", "90.50", "+0.41", "0.27")
    assert (line.table, line.values, line.reason) == ("Table 3", "90.91 (0), 90.91 (1), 90.91 (2)", "p = 0.03 alone")
    assert line.label.word == "deviates, unconfirmed"
    assert line.gate is None
    other_line = by_id["part_retrieval/cub200/mae/encoded/ap"]
    assert other_line.reason == "made in environment 2"
    assert isinstance(other_line.gate, GateLine)
    assert (other_line.gate.label.word, other_line.gate.value, other_line.gate.difference) == (
        "changed",
        "38.600",
        "+0.200",
    )


@pytest.mark.parametrize(
    ("seeds", "text"),
    [([], "1.00, 2.00"), ([5, 6, 7], "1.00 (5), 2.00 (6)"), ([5], "1.00 (5), 2.00"), (None, "1.00, 2.00")],
)
def test_a_value_has_its_seed_where_there_is_one(seeds: list[int] | None, text: str) -> None:
    cell = report_sample.cell(("part_retrieval", "cub200", "dino", "encoded", "ap"), values=[1.0, 2.0], seeds=seeds)
    assert cell_line(cell).values == text


def test_the_worst_is_said_first_and_a_hundred_of_a_kind_in_one_line(view: Page) -> None:
    assert [line.id for line in view.attention.lines] == [
        "part_retrieval/cub200/dino/encoded/ap",
        "part_classification/coco/cae/attentive/accuracy",
        "image_classification/imagenet1k/beit/linear/top1",
    ]
    first_reason, second_reason, *_ = view.attention.reasons
    assert (len(first_reason.cells), first_reason.label.word, first_reason.reason) == (
        *(126, "not run"),
        "linear segmentation comes with its own issue",
    )
    assert second_reason == Reason(
        first_reason.label, "data/coco/annotations: no such file", ("object_retrieval/coco/ibot/encoded/ap",)
    )


def test_all_of_a_table_ran_or_none_did(view: Page) -> None:
    titles = {table.title: table for table in view.tables.paper}
    assert titles["Table 3"].not_run_reasons == []
    assert titles["Table 4"].not_run_reasons == ["linear segmentation comes with its own issue"]
    assert [row.title for row in titles["Table 3"].rows if row.baseline] == ["random init", "raw pixels"]


def test_claims_are_counted_by_agreement(view: Page) -> None:
    assert [(word, count) for word, _, count in view.claims.counts] == [
        ("as in the paper", 1),
        ("differs from the paper", 2),
        ("paper unknown", 0),
        ("not run", 2),
        ("not testable here", 0),
    ]


def test_claims_that_were_tested_stand_first_by_outcome(view: Page, report: dict[str, Any]) -> None:
    outcomes = [(o.word, o.was_tested, [claim.id for claim in o.claims]) for o in view.claims.outcomes]
    assert outcomes == [
        ("as in the paper", True, ["C01"]),
        ("differs from the paper", True, ["C07", "C22"]),
        ("not run", False, ["C43", "C50"]),
    ]
    assert view.claims.tested_count == 3
    untestable = [report["claims"][0] | {"untestable": "chance says the same"}, *report["claims"][1:]]
    outcome = page(report | {"claims": untestable}).claims.outcomes[-1]
    assert (outcome.word, outcome.was_tested) == ("not testable here", False)
    assert outcome.claims[0].tally.startswith("not testable here: chance says the same; ")


def test_many_counterexamples_are_folded_away(report: dict[str, Any], tmp_path: Path) -> None:
    fails = report["claims"][2]
    margins = [fails["noise"]["margins"][0] | {"text": text} for text in ("a 1", "b 2", "c 3", "d 4")]
    many = fails | {"detail": "2 of 6 comparisons true; a 1", "noise": fails["noise"] | {"margins": margins}}
    few = many | {"detail": "2 of 4 comparisons true", "noise": fails["noise"] | {"margins": margins[:2]}}
    text = html.render(report | {"claims": [many, few]}, tmp_path).split('id="claims"')[1]
    assert "<p>2 of 6 comparisons true. Fails by up to 0.60 points; other images could flip it; nothing is" in text
    assert "<details><summary>4 counterexamples</summary>\n<ul><li>a 1</li><li>b 2</li>" in text
    assert "<p>2 of 4 comparisons true. Fails" in text
    assert "</p>\n<ul><li>a 1</li><li>b 2</li></ul>" in text


def test_which_claims_noise_alone_could_flip_is_one_sentence(view: Page, report: dict[str, Any]) -> None:
    assert view.claims.noise == "Noise alone could flip 1 of the 3 that were tested here: C22 (other images)."
    both = {"images": "could flip it", "seeds": "could flip it"}
    unknown = {"images": "cannot flip it", "seeds": "unknown"}
    changes = [both, unknown, both]
    claims = [c | {"noise": c["noise"] | change} for c, change in zip(report["claims"][:3], changes, strict=True)]
    claims[2] |= {"untestable": "chance says the same"}
    assert page(report | {"claims": claims}).claims.noise == (
        "Noise alone could flip 1 of the 2 that were tested here: C01 (other images, other seeds); unknown of 1: C07."
    )
    firm = page(report | {"claims": report["claims"][:2]}).claims.noise
    assert firm == "Noise alone could flip none of the 2 that were tested here."
    assert not page(report | {"claims": report["claims"][3:]}).claims.noise


def test_a_claim_of_an_older_report_shows_its_counterexamples(report: dict[str, Any]) -> None:
    old = {name: value for name, value in report["claims"][2].items() if name != "noise"}
    claim = page(report | {"claims": [old | {"detail": "0 of 2 comparisons true; a 1; b 2"}]}).claims.claims[0]
    assert (claim.tally, claim.sentence, claim.margins) == ("0 of 2 comparisons true", "", ("a 1", "b 2"))


def test_costs_are_summed_by_experiment(view: Page) -> None:
    retrieval = view.costs.experiments[1]
    assert (retrieval.title, retrieval.results, retrieval.reused_count) == ("Part retrieval", 2, 1)
    assert (retrieval.time, retrieval.memory) == ("1 min 05 s", "1444 MiB")
    assert (view.costs.total.results, view.costs.total.time) == (4, "1 min 25 s")
    assert view.costs.features == (
        "Of 1,700 views that are encoded once, the features of 500 came from the cache, "
        "and those of 1,200 were computed."
    )
    assert [(row.title, row.compared, row.ratio) for row in view.costs.plan] == [("Part retrieval", "18 of 18", "1.21")]


def test_results_of_a_gpu_have_a_table_of_their_own(view: Page, report: dict[str, Any], tmp_path: Path) -> None:
    assert view.costs.gpu == ()
    gpu = {"model": "Stand-In 9000", "driver": None, "peak_allocated_mib": 900, "energy_j": 2500.0}
    of_gpu = report | {"costs": [report["costs"][1] | {"gpu": gpu, "images_per_second": 1234.5}]}
    [cost] = page(of_gpu).costs.gpu
    assert (cost.experiment, cost.gpu, cost.allocated) == ("Part retrieval", "Stand-In 9000, driver unknown", "900 MiB")
    assert (cost.reserved, cost.energy, cost.power, cost.rate) == ("–", "2.5 kJ", "–", "1,234.5 /s")
    for text in (markdown.render(of_gpu), html.render(of_gpu, tmp_path)):
        assert "GPU by result" in text
        assert "Stand-In 9000" in text


def test_every_section_has_a_template_and_every_template_a_use() -> None:
    text = "\n".join((TEMPLATES / name).read_text() for name in FILES)
    template_names = set(re.findall(r'(?:include|from) "([^"]+)" ?(?:%|import)', text))
    pages = {"report.html.j2", "history.html.j2", "report.js"}
    assert template_names | pages | {f"sections/{section.id}.html.j2" for section in SECTIONS} == {*FILES}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".j2")])
def test_a_person_can_read_a_template(name: str) -> None:
    lines = (TEMPLATES / name).read_text().splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) <= 100


def test_a_template_of_any_kind_counts_as_code_that_made_the_report() -> None:
    assert {Path(name).suffix for name in FILES} <= KINDS


def test_every_template_is_installed_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["suite"]
    packaged = {path for pattern in patterns for path in SUITE.glob(pattern)}
    assert {TEMPLATES / name for name in FILES} <= packaged


def test_a_triage_says_what_explains_a_cell_and_what_was_not_tried(view: Page) -> None:
    assert view.triage is not None
    [line] = view.triage.lines
    assert (line.gap, line.outcome) == ("+0.41 (allowed 0.27)", "explained by channels=bgr")
    assert (line.left, line.moved) == ("+0.01", "−0.40 [−0.60, −0.20]")
    assert view.triage.summary == (
        "channels=bgr explains 1 of 1 cells with confidence",
        "Tried: channels=bgr, precision=float16",
        "Left out, since nothing can change: normalisation=imagenet for cae (its own)",
        "Not tried: splits=swapped (the budget of 2 min was spent; the same command goes on)",
    )


def test_a_triage_of_other_values_is_not_shown(report: dict[str, Any]) -> None:
    [cell] = report["triage"]["cells"]
    assert still_true(report["triage"], {cell["cell"]: 90.91}) == report["triage"]
    assert still_true(report["triage"], {cell["cell"]: 90.92}) is None
    assert still_true(None, {}) is None
    assert page(report | {"triage": None}).triage is None


def test_what_closes_gaps_within_noise_is_counted(report: dict[str, Any]) -> None:
    triage = report["triage"]
    cells = [triage["cells"][0] | {"outcome": "perhaps explained"}]
    shown = triage_of(triage | {"cells": cells, "factors": []})
    assert shown.lines[0].outcome == "perhaps, within noise: channels=bgr"
    assert shown.summary[:2] == (
        "Nothing that was tried explains any of 1 cells with confidence",
        "channels=bgr closes 1 of 1 gaps, which may be chance",
    )
