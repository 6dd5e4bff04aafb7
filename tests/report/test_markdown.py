"""report.md: GitHub shows it, whatever is in it."""

import re
from typing import Any

import pytest

from suite.report import markdown
from suite.report.labels import CELL_VERDICTS, UNCONFIRMED, VERDICTS, label


@pytest.fixture(scope="module")
def text(report: dict[str, Any]) -> str:
    return markdown.render(report)


def test_it_opens_with_the_verdict_and_the_notice(text: str) -> None:
    assert text.splitlines()[2].startswith("## ❌ deviates: 1 of 245 judged cells deviates")
    assert "> **This is the embedded mini study" in text


def test_every_cell_has_the_verdict_of_the_report(report: dict[str, Any], text: str) -> None:
    block = text.split(f"All {len(report['cells'])} cells")[1]
    rows = re.findall(r"^\| <code>(.*?)</code> *\| (\S+) ([^|]*?) *\|", block, re.MULTILINE)
    unescaped = [(cell.replace("&lt;", "<").replace("&gt;", ">"), emoji, word) for cell, emoji, word in rows]
    assert unescaped == [(cell["id"], label(cell).emoji, label(cell).word) for cell in report["cells"]]


def test_table_cells_say_what_the_paper_says(text: str) -> None:
    table = text.split("### Table 3")[1].split("### Table 4", maxsplit=1)[0]
    [row] = [line for line in table.splitlines() if line.startswith("| **DINO**")]
    assert row.split("|")[2].strip() == "❌ 39.6 (41.9, −2.31)"
    assert "⚪ not run: Semantic segmentation of parts" in text.split("### Table 4")[1]


def test_every_row_has_as_many_cells_as_its_head(text: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table.splitlines()[0]


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a | b", "a \\| b"),
        ("[x](y) `z` *w*", "\\[x\\](y) \\`z\\` \\*w\\*"),
        ("two\nlines", "two lines"),
        ("@somebody #1", "\\@somebody \\#1"),
    ],
)
def test_escape(raw: str, safe: str) -> None:
    assert markdown.escape(raw) == safe


def test_hostile_text_stays_text(text: str) -> None:
    assert "<script" not in text
    assert "<b>mine" not in text
    assert re.search(r"(?<!\\)\[link(?<!\\)\]\(", text) is None


def test_a_report_too_long_for_github_is_cut_at_a_section(report: dict[str, Any]) -> None:
    long = markdown.render(report | {"cells": [report["cells"][0] | {"reason": "x" * 1000}] * 1200})
    assert len(long.encode()) < markdown.MAX_BYTES
    assert long.endswith("_Cut here: the rest is in report.html and report.json._\n")
    assert long.count("<details>") == long.count("</details>")


def test_every_verdict_has_its_own_icon_emoji_and_mark() -> None:
    cells = [VERDICTS[verdict] for verdict in CELL_VERDICTS] + [UNCONFIRMED]
    for field in ("word", "icon", "emoji", "mark"):
        assert len({getattr(cell_label, field) for cell_label in cells}) == len(cells)


def test_a_claim_says_by_how_much_and_what_could_flip_it(text: str) -> None:
    section = text.split("## The paper's claims")[1]
    assert "Noise alone could flip 1 of the 3 that were tested here: C22 (other images)." in section
    [row] = [line for line in section.splitlines() if line.startswith("| C22 ")]
    detail = row.split(" | ")[-1]
    assert (
        "Fails by up to 0.60 points; other images could flip it; nothing is trained, so seeds play no part.<br>"
        in detail
    )
    assert detail.rstrip(" |").endswith("difference -0.60, needs &gt; 0; other images -1.50 to +0.25, could flip it")
