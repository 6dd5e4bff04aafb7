"""Text, names, tables and folds in GitHub's Markdown, safe whatever is in them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from suite.report.labels import Label


def escape(text: object) -> str:
    """Escape text so that it stays text: no HTML, no link, no table border, no emphasis, one line."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~@#!$])", r"\\\1", line)


def code(text: object) -> str:
    """Set a name or predicate in fixed width; HTML's tag, since a pipe or backtick would break Markdown's."""
    return f"<code>{html.escape(' '.join(str(text).split())).replace('|', '&#124;')}</code>"


def grid(rows: Iterable[Sequence[object]], headers: Sequence[str], alignment: str = "") -> str:
    """Write a table; columns whose letter in `alignment` is `r` are aligned right. Cells must be escaped."""
    align = ["right" if letter == "r" else "left" for letter in alignment.ljust(len(headers))]
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def details(title: str, text: str) -> str:
    """Fold text away under its title."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def badge(label: Label) -> str:
    """Show a verdict, never by colour alone."""
    return f"{label.emoji} {label.word}"
