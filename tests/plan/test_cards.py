"""The page on scaling shows what a plan says of the paper profile on cards that are not here."""

import re
from pathlib import Path

import pytest

from suite.core.paths import DOCS
from suite.experiments.costs import probing
from suite.plan.cards import CARDS, group_seconds, render_cards
from suite.plan.forecast import forecast
from suite.run.request import make_request


def test_the_times_on_the_page_are_the_plans(nothing: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "available_bytes", lambda: 20 << 30)
    request = make_request(profile="paper", device="cuda", here=False, **nothing)
    estimate = forecast(request, digests=False, elsewhere="250TFLOP/s")
    text = (DOCS / "scaling.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", text, flags=re.MULTILINE))
    lines = [re.split(r"\s{2,}", line.strip()) for line in render_cards(estimate).splitlines()[-len(CARDS) :]]
    assert rows == {cards: " | ".join(times if len(times) > 1 else [*times, ""]).strip() for cards, *times in lines}
    seconds = group_seconds(estimate)
    assert f"{len([*request.tasks()])} trials in {len(seconds)} groups" in text
    assert f"{sum(seconds.values()) * 250e12 / 1e18:.1f} EFLOP" in text
