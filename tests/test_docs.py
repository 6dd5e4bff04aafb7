"""What can be asked for is documented, and what is documented exists."""

import re

import pytest

from suite.core.paths import ROOT
from suite.judge.verdict import VERDICTS
from suite.protocol.variants import load_variants

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("variant", load_variants().values(), ids=lambda v: v.name)
def test_the_readme_lists_every_variant_with_its_choices(variant) -> None:
    assert f"`{variant.name}={'|'.join(variant.choices)}`" in README.replace("\n", " ")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_readme_explains_every_verdict(verdict: str) -> None:
    assert f"| {verdict} |" in README


def test_every_local_link_of_the_docs_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets
