"""Results of an earlier run that a run was given to stand beside its candidates, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from suite.judge.beside import Beside, fitting
from suite.results.store import Result, Store

FOLDER = "beside"


def beside_of(run: Path, results: Sequence[Result]) -> tuple[Beside, list[str]]:
    """Read the earlier results beside a run that can be paired with its own.

    Args:
        run: its folder.
        results: its own.

    Returns:
        Those, and a note for each reason that keeps others out.

    Raises:
        EvidenceError: one of them was altered.
    """
    store = Store(run / FOLDER)
    kept, problems = fitting(store.results(), results)
    notes = [
        f"{len(names)} results of the earlier run beside this one, {names[0]} first, are not compared: {problem}."
        for problem, names in problems.items()
    ]
    return Beside(store, kept), notes
