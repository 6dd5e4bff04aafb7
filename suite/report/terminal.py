"""The report in a terminal: ASCII marks, as wide as the window, colour only for a person watching."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from tabulate import tabulate

from suite.core.files import Json
from suite.core.text import duration
from suite.judge.verdict import NOT_ASKED
from suite.registry import title_of
from suite.report import candidates, summary
from suite.report.labels import GATE_LABELS, UNCONFIRMED, VERDICTS, label_of_run, verdicts_of
from suite.report.several import Standing, bound_of, several_of
from suite.report.view.tables import Row, Table, paper_tables

COLOURS = {"good": "32", "bad": "31;1", "warn": "33", "mute": "2"}
ROW_HEAD = (16, 34)
"""Columns of text that a row's name takes: at least, at most."""
CELL = 15
"""Columns of text that a cell takes."""


def render(report: Json, *, width: int | None = None, colour: bool | None = None) -> str:
    """Render the final tables, a line per experiment, and the verdict.

    Args:
        report: see `suite.report.build.build`.
        width: columns of text; default: the window's.
        colour: default: only on a terminal that knows colours, and not if NO_COLOR is set to anything.
    """
    width = width or shutil.get_terminal_size().columns
    colour = _has_colours() if colour is None else colour
    tables = [_requested_table(table) for table in paper_tables(report["cells"])]
    blocks = [block for table in tables if table for block in _blocks(table, width, colour)]
    labels = (*(VERDICTS[verdict] for verdict in verdicts_of(report["cells"])), UNCONFIRMED)
    legend = ", ".join(f"{label.mark} = {label.word}" for label in labels)
    other_cells = [cell for cell in report["cells"] if cell["reason"] == NOT_ASKED]
    requested_report = report | {"cells": [cell for cell in report["cells"] if cell["reason"] != NOT_ASKED]}
    lines = [summary_line(*row) for row in summary.by_experiment(requested_report)]
    lines += [f"{NOT_ASKED:<22} {len(other_cells)} of {len(report['cells'])} cells"] if other_cells else []
    advice_lines = [
        f"to decide {d['cells']} cells of {title_of(d['experiment'])} on {title_of(d['dataset'])}: "
        f"{_printable(d['sentence'])}"
        for d in report["deciding"]
    ]
    notes = filter(None, (*report["notes"], summary.attempts_line(report)))
    end = [*advice_lines, *(f"note: {_printable(note)}" for note in notes), verdict_line(report, colour=colour)]
    return "\n\n".join([*blocks, legend, "\n".join(lines), "\n".join(end)])


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def summary_line(experiment: str, counts: dict[str, int], costs: list[Json]) -> str:
    """Sum up one experiment in one line: `Part retrieval        41 reproduced, 1 deviates (12 s)`."""
    tally = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "pictures only"
    seconds = summary.seconds(costs)
    return f"{title_of(experiment):<22} {tally}" + (f" ({duration(seconds)})" if seconds is not None else "")


def verdict_line(report: Json, *, colour: bool = False) -> str:
    """Write the verdict's word and sentence; where a run of this device was accepted, also the second gate's line."""
    label = label_of_run(report)
    word = _paint(label.word.upper(), label.tone, colour)
    headline = candidates.headline(report)
    heads = [(headline.name, headline.sentence), *headline.lines] if headline else []
    lines = [f"{_printable(name)}: {_printable(sentence)}" for name, sentence in heads]
    line = "\n".join([*lines, f"{word}: {candidates.scope(report)}{_printable(report['sentence'])}"])
    gate = report.get("accepted")
    if not gate:
        return line
    gate_label = GATE_LABELS[gate["verdict"]]
    return f"{line}\n{_paint(gate_label.word.upper(), gate_label.tone, colour)}: {_printable(gate['sentence'])}"


def candidate_blocks(report: Json) -> Iterator[str]:
    """Write where candidates stand: value and rank in every column, the sentences on each, the one-sided gate."""
    several = several_of(report)
    if several:
        rows = [[row.column, *(_standing(standing) for standing in row.candidates)] for row in several.rows]
        yield tabulate(rows, ("value (rank)", *map(_printable, several.heads)), disable_numparse=True)
        yield several.sentence
    for candidate in candidates.candidates_of(report):
        sentences = f"{candidate.sentence}\n{candidate.conclusion}"
        values = [(row.column, row.value, row.rank) for row in candidate.rows]
        table = tabulate(values, (_printable(candidate.method), "value", "rank"), disable_numparse=True)
        yield f"{_printable(candidate.method)}: {sentences}" if several else f"{table}\n{sentences}"
    bound = bound_of(report)
    if bound:
        lines = [
            (_printable(row.candidate), row.column, row.difference, row.interval, row.label.word) for row in bound.rows
        ]
        heads = ("candidate", "column", "difference", "95 % interval", "gate")
        yield f"{bound.question}\n{tabulate(lines, heads, disable_numparse=True)}"


def _standing(standing: Standing) -> str:
    return f"{standing.value} ({standing.rank})" if standing.rank else standing.value


def _requested_table(table: Table) -> Table | None:
    """Drop the columns and rows of a table that nobody asked for; None where that leaves nothing."""
    flags = [[bool(cell and cell.is_requested) for cell in row.cells] for row in table.rows]
    column_indices = [k for k in range(len(table.columns)) if any(row[k] for row in flags)]
    if table.cells and not column_indices:
        return None
    rows = [
        Row(row.method, tuple(row.cells[k] for k in column_indices))
        for row, row_flags in zip(table.rows, flags, strict=True)
        if any(row_flags)
    ]
    cells = [cell for cell in table.cells if cell.is_requested]
    return replace(table, columns=tuple(table.columns[k] for k in column_indices), rows=tuple(rows), cells=tuple(cells))


def _blocks(table: Table, width: int, colour: bool) -> Iterator[str]:
    """Cut a table into pieces that fit, an experiment at a time, or give the line that says why there is none."""
    if not table.cells:
        yield f"{table.title}: not run: this profile lists no cell of it"
        return
    if table.not_run_reasons:
        yield f"{table.title}: not run: {_printable('; '.join(table.not_run_reasons))}"
        return
    title_width = max(len(row.title) for row in table.rows) + 2
    head = min(max(title_width, ROW_HEAD[0]), ROW_HEAD[1])
    step = max(1, (width - head) // CELL)
    for _, group in groupby(range(len(table.columns)), lambda k: table.columns[k].experiment):
        indices = list(group)
        for start in range(0, len(indices), step):
            yield _block(table, indices[start : start + step], head, colour)


def _block(table: Table, indices: list[int], head: int, colour: bool) -> str:
    columns = [table.columns[k] for k in indices]
    heads = ["\n".join((title_of(c.dataset), title_of(c.setting), title_of(c.metric))) for c in columns]
    rows = [[_printable(row.title)[: head - 2], *_texts(row, indices, colour)] for row in table.rows]
    title = title_of(columns[0].experiment)
    title = title if title == table.title else f"{table.title}: {title}"
    return f"{title}\n" + tabulate(rows, ["", *heads], disable_numparse=True, stralign="left")


def _texts(row: Row, indices: list[int], colour: bool) -> Iterator[str]:
    for cell in (row.cells[k] for k in indices):
        if cell is None:
            yield ""
        else:
            yield _paint(f"{cell.measured or '':>5} {cell.label.mark}", cell.label.tone, colour)


def _paint(text: str, tone: str, colour: bool) -> str:
    return f"\033[{COLOURS[tone]}m{text}\033[0m" if colour else text


def _printable(text: str) -> str:
    """Remove all that a file's name could make a terminal do."""
    return "".join(c if c.isprintable() else " " for c in text)
