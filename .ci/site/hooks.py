"""What the site has beside docs/: pages of the checkout's top, a list of decisions, and the report of the mini study.

Links to source code stay words: the site shows documents, and no address of a repository is known here.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
FILES = ("LICENSE", "CITATION.cff")
REPORT = ROOT / "runs" / "mini" / "report.html"
"""Published as report/ where a run has made it: one file that needs no other."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    for name in FILES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [path.read_text().partition("\n")[0].lstrip("# ") for path in decisions]
    lines = [f"- [{title}]({path.name})" for path, title in zip(decisions, titles, strict=True)]
    files.append(File.generated(config, "decisions/index.md", content="\n".join(["# Decisions", "", *lines, ""])))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where files lie on the site."""
    if page.file.src_uri in PAGES:  # the site's first page stands in for README.md
        markdown = re.sub(r"\]\(README\.md[^)]*\)", "](index.md)", markdown)
        return re.sub(r"\]\(docs/", "](", markdown).replace("](decisions/)", "](decisions/index.md)")
    up = "../" * page.file.src_uri.count("/")
    moved = "|".join(map(re.escape, (*PAGES, *FILES)))
    markdown = re.sub(rf"\]\({up}\.\./({moved})", rf"]({up}\1", markdown)
    markdown = markdown.replace("](decisions/)", "](decisions/index.md)")
    if page.file.src_uri == "index.md" and REPORT.exists():
        # as HTML: it is copied once the pages are built, and no Markdown link to it would pass
        link = '<a href="report/index.html">The report of the mini study</a>, made by `make reproduce`.'
        return markdown.replace("\n## I want to", f"\n{link}\n\n## I want to", 1)
    return markdown


def on_post_build(*, config: MkDocsConfig, **_: Any) -> None:
    """Publish the report beside the pages."""
    if REPORT.exists():
        folder = Path(config.site_dir) / "report"
        folder.mkdir(exist_ok=True)
        shutil.copyfile(REPORT, folder / "index.html")
