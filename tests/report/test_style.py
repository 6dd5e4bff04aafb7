"""Colours of the page: every text reads on every surface, in the light and the dark theme and on paper."""

from __future__ import annotations

import re

import pytest

from suite.report import html, labels, plot
from suite.report.labels import Label

STYLE = (html.TEMPLATES / "style.css").read_text()
READABLE, VISIBLE = 4.5, 3.0
"""Least contrast of text and of what is drawn: WCAG 2.2, success criteria 1.4.3 and 1.4.11."""
TONES = ("good", "bad", "warn", "mute")
INKS = ("ink", "soft", "link", *TONES)
SURFACES = ("page", "sheet", "row", *(f"{tone}-bg" for tone in TONES))


def themes() -> dict[str, dict[str, str]]:
    """Name of a theme -> its colours, name -> `#rrggbb`; what dark and paper do not set is as in the light."""
    blocks = [
        dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    ]
    light, dark, paper = blocks
    return {"light": light, "dark": light | dark, "paper": light | paper}


def luminance(colour: str) -> float:
    """Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000", "#ffffff", 21.0), ("#777777", "#fff", 4.48), ("#69737f", "#eef1f4", 4.25)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("theme", themes())
def test_every_text_reads_on_every_surface(theme: str) -> None:
    colours = themes()[theme]
    ratios = {f"{ink} on {surface}": contrast(colours[ink], colours[surface]) for ink in INKS for surface in SURFACES}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < READABLE} == {}


def test_every_label_has_one_of_these_tones() -> None:
    tables = [table for table in vars(labels).values() if isinstance(table, dict)]
    shown = [label.tone for table in tables for label in table.values() if isinstance(label, Label)]
    assert {*shown, labels.UNCONFIRMED.tone, *labels.EVIDENCE_TONES.values()} == set(TONES)


@pytest.mark.parametrize("theme", themes())
def test_the_marks_of_a_drawing_are_seen_on_the_sheet(theme: str) -> None:
    sheet = themes()[theme]["sheet"]
    ratios = {name: contrast(colour, sheet) for name, (colour, _, _) in plot.STYLES.items()}
    assert {name: round(ratio, 2) for name, ratio in ratios.items() if ratio < VISIBLE} == {}


def test_the_words_of_a_drawing_are_in_the_ink_of_the_page(report: dict) -> None:
    for drawing in plot.plots(report["cells"]):
        words = re.findall(r'<g id="[\w-]*text_\d+">.*?<g style="([^"]*)"', drawing.svg, re.DOTALL)
        assert len(words) > 15
        assert {re.sub(r"fill: ([^;]*).*", r"\1", style) for style in words} == {"currentColor"}


def test_no_colour_stands_outside_the_themes() -> None:
    rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\(", rules) == []
