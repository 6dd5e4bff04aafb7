"""Deviating cells as workflow commands, which GitHub shows beside the expected value in a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from suite.core.files import Json
from suite.core.paths import EXPECTED, ROOT
from suite.report.labels import label
from suite.report.view.cells import CellLine, cell_line

MOST = 10
"""Annotations of a level that GitHub keeps of one step."""
LEVELS = {"bad": "error", "warn": "warning"}
"""By tone: a deviation that the family does not confirm, or that is known, warns."""


def commands(report: Json) -> list[str]:
    """Write a line per cell that deviates or is unexpected, the errors first, in the order of the largest difference.

    Args:
        report: see `suite.report.build.build`.
    """
    cells = [cell for cell in report["cells"] if cell["verdict"] in {"deviates", "unexpected"}]
    cells.sort(key=lambda cell: -abs(cell["difference"] or 0))
    return [line for level in LEVELS.values() for line in _lines(report, cells, level)]


def _lines(report: Json, cells: list[Json], level: str) -> Iterator[str]:
    own = [cell for cell in cells if LEVELS[label(cell).tone] == level]
    shown = own if len(own) <= MOST else own[: MOST - 1]
    for cell in shown:
        yield _command(level, report["profile"], cell)
    if len(own) > len(shown):
        yield f"::{level} title=more::{len(own) - len(shown)} more cells, in report.md of run {_data(report['run'])}"


def _command(level: str, profile: str, cell: Json) -> str:
    line = cell_line(cell)
    place = _place(profile, cell)
    file = "" if place is None else f"file={_property(place[0])},line={place[1]},"
    return f"::{level} {file}title={_property(f'{line.label.word}: {line.id}')}::{_data(_message(line))}"


def _message(line: CellLine) -> str:
    numbers = f"measured {line.measured}, expected {line.expected}, difference {line.difference}"
    return f"{numbers}, tolerance {line.tolerance}" + (f": {line.reason}" if line.reason else "")


def _place(profile: str, cell: Json) -> tuple[str, int] | None:
    """Find file, in the project, and line of a cell's expected value; None where no file has one."""
    head = "[{experiment}.cells.{dataset}.{setting}.{metric}]".format_map(cell)
    for path in sorted((EXPECTED / profile).glob("*.toml")):
        number = _line_of(path, head, cell["method"])
        if number is not None:
            return path.relative_to(ROOT).as_posix(), number
    return None


def _line_of(path: Path, head: str, method: str) -> int | None:
    """Find the line on which the table below `head` has `method`, from 1."""
    lines = path.read_text().splitlines()
    if head not in lines:
        return None
    start = lines.index(head) + 1
    for number, line in enumerate(lines[start:], start + 1):
        if line.startswith("["):
            break
        if re.match(rf"{re.escape(method)} *=", line):
            return number
    return None


def _data(text: str) -> str:
    """Write a message in the way in which a workflow command takes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
