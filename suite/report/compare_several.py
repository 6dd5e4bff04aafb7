"""Several runs side by side: what each was made of, every cell that moved, and each run against the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from suite.core.files import Json
from suite.core.text import number
from suite.judge.changes import Changes
from suite.report.compare import changes_between, exit_code, reported_run
from suite.report.history import run_lines
from suite.report.paired_changes import sentences

RUN_HEADS = ("run", "name", "finished", "commit", "environment", "seeds", "asked for", "verdict", "results")


def compare_several(folders: Sequence[Path]) -> tuple[str, int]:
    """Compare run folders, as they are reported, each with the first.

    Returns:
        Plain text, and the exit code: 0 if all hold the same cells with the same values, 1 if one does not, 2 if
        nothing was measured in any.

    Raises:
        EvidenceError: a folder's results were altered since they were stored.
        RequestError: a folder without a report, or a file that is not one.
    """
    runs = [reported_run(folder) for folder in folders]
    reports = [run.report for run in runs]
    changes = [changes_between(runs[0], run) for run in runs[1:]]
    codes = [exit_code(reports[0], report) for report in reports[1:]]
    text = "\n\n".join([f"Runs\n{_runs(folders, reports)}", f"Cells\n{_cells(reports, changes)}"])
    return text, 1 if 1 in codes else min(codes)


def _runs(folders: Sequence[Path], reports: Sequence[Json]) -> str:
    lines = run_lines(list(zip(folders, reports, strict=True)))
    rows = [
        (r.number, r.name, r.finished, r.commit, r.environment or "–", r.seeds, r.asked, r.verdict.word, r.digest)
        for r in lines
    ]
    return tabulate(rows, RUN_HEADS, disable_numparse=True)


def _cells(reports: Sequence[Json], changes: Sequence[Changes]) -> str:
    """List the cells that do not have the same value in all runs, then what each run's changes are worth."""
    tables = [{c["id"]: c["measured"] for c in report["cells"] if c["measured"] is not None} for report in reports]
    names = dict.fromkeys(name for table in tables for name in table)
    confirmed = [{str(cell) for cell, change in of.of_cells.items() if change.is_confirmed} for of in changes]
    rows = []
    for name in names:
        measured = [table.get(name) for table in tables]
        if any(value != measured[0] for value in measured):
            known = [value for value in measured if value is not None]
            marks = ["", *(" *" if name in cells else "" for cells in confirmed)]
            values = [f"{number(value, 4)}{mark}" for value, mark in zip(measured, marks, strict=True)]
            rows.append((name, *values, number(max(known) - min(known), 4)))
    numbers = [str(k) for k in range(1, len(reports) + 1)]
    lines = [tabulate(rows, ("cell", *numbers, "span"), disable_numparse=True)] if rows else []
    lines.append(f"  {len(names) - len(rows)} of {len(names)} measured cells are the same in all runs")
    for k, (report, of) in enumerate(zip(reports[1:], changes, strict=True), 2):
        lines += [f"  {k} against 1: {sentence}" for sentence in sentences(of, reports[0], report, (1, k))]
    return "\n".join(lines)
