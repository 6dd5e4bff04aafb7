"""The report in a browser: every form of it, and a page with planted faults, seen by html-validate and axe-core,
and one of them used as a person does.

    .ci/browser && pytest tests/report_in_browser [--pictures FOLDER]

Needs Chromium and Node.js 18 or newer, which `.ci/browser` installs on Debian; fails where they are missing. FOLDER is
for a screenshot of each form in each view.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from suite.core.paths import ROOT
from suite.report import html
from tests.support.commands import run
from tests.support.report_forms import write_pages

HERE = ROOT / "tests" / "report_in_browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PLANTED = "planted"
Faults = dict[str, dict[str, list[str]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("the report in a browser")
    group.addoption("--pictures", type=Path, help="folder for screenshots (default: none are made)")


@pytest.fixture(scope="session")
def browser() -> str:
    """Where Chromium is."""
    place = next(filter(None, map(shutil.which, BROWSERS)), None)
    if place is None or not (HERE / "node_modules").is_dir():
        pytest.fail(f"no {BROWSERS[0]}, or no packages in {HERE / 'node_modules'}; run .ci/browser")
    return place


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Form -> its page."""
    return write_pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def faults(request: pytest.FixtureRequest, browser: str, pages: dict[str, Path], tmp_path_factory: Any) -> Faults:
    """Page -> view -> faults, of every form and of the page with planted faults."""
    pictures = request.config.getoption("--pictures")
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    planted = plant(tmp_path_factory.mktemp("planted") / f"{PLANTED}.html")
    observations: Faults = told(
        "look.mjs", browser, str(pictures.resolve()) if pictures else "", *pages.values(), planted
    )
    return observations


@pytest.fixture(scope="session")
def use(browser: str, pages: dict[str, Path]) -> dict[str, Any]:
    """Situation -> what the page of a failing run did in it."""
    observations: dict[str, Any] = told("use.mjs", browser, pages["failing"])
    return observations


def told(script: str, *arguments: str | Path) -> Any:
    """Run one of the scripts here; what it prints is JSON."""
    done = run(["node", HERE / script, *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plant(page: Path) -> Path:
    """Write a page with faults: those that reports had, and one of each kind that is looked for."""
    style = (html.TEMPLATES / "style.css").read_text()
    earlier = style.replace("--mute: #5f6975", "--mute: #69737f").replace("overflow-wrap: break-word;", "", 1)
    assert earlier.count("#69737f") == 1
    page.write_text(
        f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A page with faults</title><style>{earlier}</style></head>
<body><main><h1>A page with faults</h1>
<p><span class="badge mute">not run</span></p>
<figure role="img" aria-label="a line"><figcaption>A line</figcaption></figure>
<div>part_classification/coco/random_init/attentive/accuracy_of_a_cell_that_has_a_long_name</div>
<p><ul><li>a list in a paragraph</li></ul></p>
</main></body></html>
"""
    )
    return page
