"""What can be asked for is documented, and what is documented exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from suite.core.paths import DOCS, EXPECTED, ROOT
from suite.judge import gate
from suite.judge.verdict import EXIT_CODES, VERDICTS
from suite.protocol.factors import Factor, load_factors
from suite.protocol.profiles import load_profile
from suite.protocol.variants import Variant, load_variants

INDEX = DOCS / "index.md"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
MAKEFILE = (ROOT / "Makefile").read_text()
TOP = r"suite|tests|checks|expected|benchmarks|docs|\.ci|\.github"
MADE_LATER = ("benchmarks/results/host_feed_", "benchmarks/results/gpu_", "expected/accepted/", "expected/encoders/")
"""Folders that `make accept` makes."""


def words_of(page: Path) -> Iterator[str]:
    """What stands between backticks, blocks of commands left out."""
    yield from re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """The local files and folders that a page leads to, each with the heading that is meant, or ""."""
    for target, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" not in target:
            yield (page.parent / target).resolve() if target else page, heading


def anchors(page: Path) -> set[str]:
    """How the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_cells(page: Path) -> set[str]:
    """The words in the first two columns of a page's tables."""
    rows = [line.split("|") for line in page.read_text().splitlines() if line.startswith("| ")]
    return {cell.strip(" `") for row in rows for cell in row[1:3]}


@pytest.mark.parametrize("variant", load_variants().values(), ids=lambda v: v.name)
def test_every_variant_is_explained_with_its_choices(variant: Variant) -> None:
    assert f"\n## `{variant.name}={'|'.join(variant.choices)}`\n" in (DOCS / "reference" / "variants.md").read_text()


@pytest.mark.parametrize("factor", load_factors().values(), ids=lambda f: f.name)
def test_every_factor_of_triage_is_listed_with_its_choices(factor: Factor) -> None:
    [row] = [
        line
        for line in (DOCS / "how-to" / "triage.md").read_text().splitlines()
        if line.startswith(f"| `{factor.name}` ")
    ]
    assert re.findall(r"`([^`]+)`", row.split("|")[2]) == [*factor.choices]


@pytest.mark.parametrize("verdict", [*VERDICTS, *EXIT_CODES])
def test_every_verdict_is_explained(verdict: str) -> None:
    assert verdict in first_cells(DOCS / "reference" / "verdicts.md")


@pytest.mark.parametrize("verdict", gate.VERDICTS)
def test_every_answer_of_the_second_gate_is_explained(verdict: str) -> None:
    shown = {"unconfirmed": "changed, unconfirmed"}.get(verdict, verdict)
    assert shown in first_cells(DOCS / "explanation" / "two_gates.md")


@pytest.mark.parametrize("experiment", load_profile("paper").experiments)
def test_the_index_leads_from_the_paper_to_every_experiment(experiment: str) -> None:
    rows = [line for line in INDEX.read_text().splitlines() if f"`[{experiment}]`" in line]
    assert rows
    assert all(f"`suite/experiments/test_{experiment}.py`" in row for row in rows)


def test_the_index_leads_to_every_file_of_published_values() -> None:
    text = INDEX.read_text()
    files = sorted(path.name for path in (EXPECTED / "paper").glob("*.toml"))
    assert files == [name for name in files if f"`expected/paper/{name}`" in text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_local_link_leads_somewhere(page: Path) -> None:
    for target, heading in links_of(page):
        assert target.exists(), target
        assert not heading or heading in anchors(target), f"{target.name}#{heading}"


def test_every_page_is_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            for target, _ in links_of(page):
                waiting += target.glob("*.md") if target.is_dir() else [target] * (target.suffix == ".md")
    assert {*DOCS.rglob("*.md")} <= seen


def test_the_site_has_every_page() -> None:
    """`make docs` asks the same, in an environment of its own; decisions it lists itself."""
    (site,) = yaml.safe_load_all((ROOT / "mkdocs.yml").read_text())

    def entries(item: object) -> Iterator[str]:
        if isinstance(item, str):
            yield item
        for below in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            yield from entries(below)

    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}
    added = {page.name for page in ROOT.glob("*.md")} - {"README.md"}
    assert {*entries(site["nav"])} == pages | added | {"decisions/index.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    for word in words_of(page):
        for path in re.findall(rf"(?<![\w/.])(?:{TOP})/[\w./<>*-]*", word.replace("\n", " ")):
            pattern = re.sub(r"<\w+>", "*", path).rstrip("./")
            assert path.startswith(MADE_LATER) or next(ROOT.glob(pattern), None), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    for name in re.findall(r"(?<![\w/.])(?:suite|tests|benchmarks)(?:\.[A-Za-z]\w*)+", page.read_text()):
        module, (parent, _, last) = name.replace(".", "/"), name.rpartition(".")
        source = ROOT / f"{parent.replace('.', '/')}.py"
        package = source.with_suffix("") / "__init__.py"
        is_module = (ROOT / module).is_dir() or (ROOT / f"{module}.py").exists()
        assert is_module or any(re.search(rf"\b{last}\b", p.read_text()) for p in (source, package) if p.exists()), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = {*re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE)}
    assert {*re.findall(r"(?:^|`|&& )make\s([a-z-]+)", page.read_text(), flags=re.MULTILINE)} <= targets
