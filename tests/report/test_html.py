"""The page: self-contained, escaped, complete, valid, and honest about what is missing."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from suite.judge.verdict import EXIT_CODES
from suite.report import html, plot
from suite.report.labels import label
from suite.report.view.evidence import anchor
from suite.report.view.pictures import search
from tests.support import report_circumstances, report_sample

VOID = {"meta", "img", "br", "wbr", "link", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; `problems` lists tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.problems: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.problems.append(f"</{tag}> at line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def elements(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return report_sample.report(folder)


@pytest.fixture(scope="module")
def text(report: dict[str, Any], folder: Path) -> str:
    return html.render(report, folder)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_tags_nest_and_ids_are_unique(page: Page) -> None:
    assert page.problems == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"])[1:] for attributes in page.elements("a")}
    assert links <= set(ids)


def test_nothing_is_loaded_from_outside(text: str, page: Page) -> None:
    assert "http:" not in text
    assert "https:" not in text
    assert not {"link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.elements("img"))
    references = [value for _, a in page.tags for key, value in a.items() if key in {"href", "xlink:href"}]
    assert all(str(value).startswith("#") for value in references)
    assert re.findall(r"url\((?!#)|@import", text) == []


def test_no_script_runs_but_the_page_s_own(text: str, page: Page) -> None:
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert page.elements("script") == [{}]
    assert script == (html.TEMPLATES / "report.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.elements("meta")[2] == {
        "http-equiv": "Content-Security-Policy",
        "content": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
    }
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]


def test_names_and_reasons_are_escaped(text: str, page: Page) -> None:
    assert text.count("<script") == 1, "the page's own"
    assert "<b>mine" not in text
    assert page.text.count(report_circumstances.HOSTILE) >= 4
    assert "<b>mine</b>" in page.text


def test_every_cell_appears_with_its_verdict(report: dict[str, Any], text: str) -> None:
    rows = re.findall(r'<tr id="cell-.*?</tr>', text.split('id="cells"')[1], re.DOTALL)
    row_texts = [re.sub(r"<[^>]+>", " ", row.replace("<wbr>", "")) for row in rows]
    assert len(row_texts) == len(report["cells"]) == 462
    for cell, row in zip(report["cells"], row_texts, strict=True):
        assert row.split()[0] == cell["id"].replace("<b>", "&lt;b&gt;").replace("</b>", "&lt;/b&gt;")
        assert label(cell).word in row


def test_tables_say_measured_expected_difference_and_verdict(text: str) -> None:
    box = re.search(r'<td class="cell bad" title="part_retrieval/cub200/dino/encoded/ap.*?</td>', text, re.DOTALL)
    assert box is not None
    assert " ".join(re.sub(r"<[^>]+>", " ", box.group()).split()) == (
        "39.6 ✗ deviates 41.9 recorded, difference (−2.31)"
    )


def test_each_value_of_a_table_leads_to_its_cell_and_the_cell_to_its_evidence(text: str) -> None:
    anchor = "cell-part_retrieval/cub200/dino/encoded/ap"
    box = re.search(r'<td class="cell bad" title="part_retrieval/cub200/dino/encoded/ap.*?</td>', text, re.DOTALL)
    assert box is not None
    assert f'<a href="#{anchor}"><span class="value">39.6' in box.group()
    row = text.split(f'<tr id="{anchor}"')[1].split("</tr>", maxsplit=1)[0]
    assert re.findall(r'<a href="#([^"]*)">([a-z ]+)</a>', row) == [
        ("protocol-part_retrieval", "protocol"),
        ("result-part_retrieval/cub200/dino", "items"),
        ("environment-1", "environment"),
    ]


def test_any_name_makes_an_id_and_a_link_to_it() -> None:
    assert anchor("cell-a/b c/<b>\udcff") == "cell-a/b%20c/%3Cb%3E%ED%B3%BF"


def test_a_list_of_cells_can_be_narrowed_where_scripts_run(text: str) -> None:
    [bar] = re.findall(r'<fieldset class="filters" hidden>.*?</fieldset>', text, re.DOTALL)
    assert re.findall(r'name="(\w+)"', bar) == ["search", "verdict", "experiment", "dataset", "encoder"]
    assert re.findall(r'<option value="([^"]*)">([^<]*)</option>', bar.split('"encoder"')[1])[:3] == [
        ("", "all"),
        ("deit", "DeiT"),
        ("mocov3", "MoCo v3"),
    ]


def test_headers_have_a_scope_and_pictures_a_text(page: Page) -> None:
    assert all("scope" in attributes for attributes in page.elements("th"))
    assert len(page.elements("img")) == 20
    assert all(image["alt"] for image in page.elements("img"))


def test_a_drawing_is_a_picture_with_a_text_and_its_caption_is_read(text: str, page: Page) -> None:
    drawings = [attributes for attributes in page.elements("svg") if attributes.get("role") == "img"]
    charts = page.elements("figure").count({"class": "chart"})
    assert len(drawings) == len(page.elements("svg")) == len(page.elements("figure")) == 5 + charts
    assert all("aria-hidden" not in drawing for drawing in drawings)
    kinds = [str(drawing["aria-label"]).split(",")[0] for drawing in drawings]
    assert kinds == ["Chart"] * charts + ["Scatter plot"] * 2 + ["Line plot"] * 3
    bare = [figure for figure in page.elements("figure") if figure != {"class": "chart"}]
    assert bare == [{}] * 5, "an image has no caption: all in it is hidden from who hears the page"
    captions = re.findall("<figcaption>(.*?)</figcaption>", text)
    assert captions[charts:] == [
        "LIP: training loss",
        "LIP: accuracy on training batches",
        "LIP: mIoU on evaluation data",
    ]


def test_mini_says_that_it_does_not_replicate_the_paper(page: Page, report: dict[str, Any], folder: Path) -> None:
    assert "it does not replicate the paper" in page.text
    paper = Page(html.render(report | {"profile": "paper", "cells": []}, folder)).text
    assert "does not replicate" not in paper
    assert "below it the published value" in paper


@pytest.mark.parametrize("verdict", EXIT_CODES)
def test_the_verdict_is_said_in_words_and_colour(verdict: str, report: dict[str, Any], folder: Path) -> None:
    own = {"verdict": verdict, "exit_code": EXIT_CODES[verdict], "figures": [], "cells": []}
    page = Page(html.render(report | own, folder))
    mild = {"reproduced": "good", "known deviation": "warn", "not judged": "mute"}
    tone = mild.get(verdict) or {1: "bad", 2: "warn"}[EXIT_CODES[verdict]]
    assert page.elements("section")[0]["class"] == f"verdict {tone}"
    assert f"{verdict}{report['sentence']}" in page.text


def test_segmentation_keeps_its_place(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "All 21 cells: linear segmentation comes with its own issue." in text
    assert "All 63 cells: linear segmentation comes with its own issue." in text


def test_an_empty_run_still_makes_a_page(report: dict[str, Any], folder: Path) -> None:
    keys = ("cells", "claims", "costs", "figures", "notes", "trainings", "variables")
    empty: dict[str, Any] = {key: [] for key in keys}
    page = Page(html.render(report | empty | {"environment": {}, "protocol": {}, "asked": {}, "finished": ""}, folder))
    assert page.problems == []
    for sentence in (
        "No claim was listed.",
        "No gallery was made",
        "No cost was recorded.",
        "Not drawn",
        "lists no cell",
    ):
        assert sentence in page.text


@pytest.mark.parametrize("path", ["figures/absent.png", "../outside.png", "/etc/hostname", "text.png"])
def test_a_picture_that_cannot_be_shown_is_said_to_be_missing(path: str, report: dict[str, Any], folder: Path) -> None:
    (folder.parent / "outside.png").write_bytes((folder / "figures/0.png").read_bytes())
    (folder / "text.png").write_text("no picture")
    figure = report["figures"][0] | {"path": path}
    page = Page(html.render(report | {"figures": [figure], "cells": []}, folder))
    assert page.elements("img") == []
    assert f"picture missing: {path}" in page.text


def test_projected_stands_below_encoded() -> None:
    query, _ = search(report_sample.figures()).queries
    assert query.query == "3:24"
    assert [(method, [strip.setting for strip in strips]) for method, strips in query.rows[:3]] == [
        ("DeiT", ["encoded"]),
        ("MoCo v3", ["encoded", "projected"]),
        ("DINO", ["encoded", "projected"]),
    ]


def test_plot_falls_back_where_image_classification_did_not_run() -> None:
    cells = [cell for cell in report_sample.cells() if cell["experiment"] != "image_classification"]
    [drawing] = plot.plots(cells)
    assert drawing.alt.startswith("Scatter plot, Object retrieval, CIFAR-10: encoded AP (%) against Part retrieval")
    assert "DeiT" in drawing.alt


def test_plot_needs_two_encoders() -> None:
    assert plot.plots([cell for cell in report_sample.cells() if cell["method"] == "dino"]) == []


def test_plot_takes_any_name() -> None:
    cells = [cell | {"method": cell["method"].replace("dino", "$x^{$ --> $\\frac")} for cell in report_sample.cells()]
    for drawing in plot.plots(cells):
        assert "<!--" not in drawing.svg
        assert "xmlns" not in drawing.svg
        assert drawing.svg.startswith("<svg viewBox=")


def test_templates_are_compiled_once_and_each_page_finds_its_own_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html.templates(tmp_path).get_template("report.html.j2")
    monkeypatch.setattr("jinja2.Environment.compile", lambda *_args, **_kwargs: pytest.fail("compiled again"))
    environment = html.templates(tmp_path / "other")
    environment.get_template("report.html.j2")
    assert environment.filters["picture"].args == (tmp_path / "other",)
