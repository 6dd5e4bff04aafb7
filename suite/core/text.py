"""Moments, durations, sizes and numbers as they are written for people; `suite.core.values` reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from suite.errors import RequestError

LONGEST = 300
"""Characters of a library's complaint that a message keeps."""


def one_line(text: str) -> str:
    r"""Write in one line that shows what a library says of a damaged file, in which anything may stand.

    Example:
        >>> one_line("no persistent id,\nof \0")
        'no persistent id, of \\x00'
    """
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split("\n")).strip())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def now() -> str:
    """Return the present moment: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def day_of(moment: str) -> date:
    """Return the day of an ISO 8601 moment, as a run notes it.

    Raises:
        RequestError: it is none.
    """
    try:
        return date.fromisoformat(moment[:10])
    except ValueError as error:
        raise RequestError(f"run.json: finished: expected an ISO 8601 moment, got {moment!r}") from error


def number(value: float | None, digits: int = 1) -> str:
    """Write a number as `47.9`; an en dash where nothing is known."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """Write a number as `+0.30`, `−0.30`, `0.00`; an en dash where nothing is known."""
    if value is None:
        return "–"
    text = f"{abs(value):.{digits}f}"
    if not text.strip("0."):
        return text
    return ("+" if value > 0 else "−") + text


def mebibytes(value: float | None) -> str:
    """Write a size as `1444 MiB`; an en dash where nothing is known."""
    return "–" if value is None else f"{value:.0f} MiB"


def duration(seconds: float | None) -> str:
    """Write a duration as `41 s`, `3 min 05 s`, `2 h 10 min`, `1,241 h`; an en dash where nothing is known."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02d} s"
    if whole_seconds < 360_000:
        return f"{whole_seconds // 3600} h {whole_seconds % 3600 // 60:02d} min"
    return f"{whole_seconds / 3600:,.0f} h"
