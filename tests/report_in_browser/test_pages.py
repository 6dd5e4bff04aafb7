"""Every form of the report is valid HTML, reads in both themes and fits a narrow screen; a page with faults is seen."""

from __future__ import annotations

import pytest

from tests.support.report_forms import FORMS

VIEWS = ("html", "light", "dark", "400 px")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_no_fault(form: str, view: str, faults: dict[str, dict[str, list[str]]]) -> None:
    assert faults[form][view] == []


@pytest.mark.parametrize(
    ("view", "kinds"),
    [
        ("html", {"no-implicit-close", "close-order"}),
        ("light", {"aria-allowed-role", "color-contrast"}),
        ("dark", {"aria-allowed-role"}),
        ("400 px", {"aria-allowed-role", "color-contrast", "overflow"}),
    ],
)
def test_a_planted_fault_is_seen(view: str, kinds: set[str], faults: dict[str, dict[str, list[str]]]) -> None:
    assert {sentence.split(": ")[0].split()[-1] for sentence in faults["planted"][view]} == kinds
