"""summary.md: a report in some thirty lines, for a comment on a pull request or a job's page; it links to the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.core.files import Json
from suite.core.text import one_line
from suite.report.markdown import counts
from suite.report.markup import badge, code, escape, grid
from suite.report.view.cells import Attention, CellLine
from suite.report.view.claims import Claims
from suite.report.view.evidence import anchor
from suite.report.view.head import Head
from suite.report.view.page import Page, page

MOST_CELLS = 5
"""Cells that are shown of those that deviate or stay open; the rest are counted."""
MOST_NOTES = 3
MAX_BYTES = 60_000
"""A comment on GitHub has 65,536 characters at most; nothing here is that long but by a very long name."""


def render(report: Json) -> str:
    """Render it in GitHub's Markdown.

    Args:
        report: see `suite.report.build.build`.
    """
    text = "\n\n".join(_blocks(page(report))) + "\n"
    content = text.encode("utf-8", "replace")
    return text if len(content) <= MAX_BYTES else content[:MAX_BYTES].decode("utf-8", "ignore") + "…\n"


def _blocks(view: Page) -> Iterator[str]:
    yield from _head(view.head)
    yield counts(view.summary)
    yield from _attention(view.attention, view.expected)
    if view.claims.claims:
        yield _claims(view.claims)
    yield "All of it: [report.html](report.html), [report.md](report.md); for programs [report.json](report.json)."
    if view.rerun.citation:
        yield code(view.rerun.citation)


def _head(head: Head) -> Iterator[str]:
    if head.candidates:
        yield f"### {_short(head.candidates.name)}: {_short(head.candidates.sentence)}"
    yield f"### {badge(head.verdict)}: {_short(head.sentence)}"
    yield (
        f"Profile **{head.profile}**, run **{_short(head.run)}**, finished {escape(head.finished)}, "
        f"took {head.duration}, exit code {head.exit_code}."
    )
    if head.notice:
        yield f"> {_short(head.notice)}"
    if head.notes:
        notes = _first([_short(note) for note in head.notes], MOST_NOTES, "notes")
        yield "\n".join(f"- {note}" for note in notes)


def _short(text: str) -> str:
    return escape(one_line(text))


def _attention(attention: Attention, expected: str) -> Iterator[str]:
    lines = attention.lines[:MOST_CELLS]
    if lines:
        heads = ("cell", "verdict", "measured", expected, "difference", "tolerance")
        yield grid(map(_row, lines), heads, "llrrrr")
    rest = len(attention.lines) - len(lines)
    sentences = [f"{rest} more cells deviate or stay open"] if rest else []
    reasons = [f"{len(group.cells)} {badge(group.label)}: {_short(group.reason)}" for group in attention.reasons]
    sentences += _first(reasons, MOST_CELLS, "reasons")
    if sentences:
        yield "\n".join(f"- {sentence}" for sentence in sentences)


def _first(texts: Sequence[str], most: int, what: str) -> list[str]:
    """Keep the first of many, and count the rest."""
    return [*texts[:most], *([f"and {len(texts) - most} more {what}"] if len(texts) > most else [])]


def _row(line: CellLine) -> list[str]:
    name = f"[{code(line.id)}](report.html#{anchor(f'cell-{line.id}')})"
    return [name, badge(line.label), line.measured, line.expected, line.difference, line.tolerance]


def _claims(claims: Claims) -> str:
    counts = ", ".join(f"{count} {word}" for word, _, count in claims.counts if count)
    return f"Claims of the paper: {counts}. {_short(claims.noise)}".rstrip()
