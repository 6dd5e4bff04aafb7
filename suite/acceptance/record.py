"""Record of an acceptance: `gpu_<model>_<date>.json`, and the same as a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.core.files import write_atomically, write_json
from suite.core.text import duration

ICONS = {"passed": "✅", "failed": "❌", "not applicable": "➖", "not run": "⏸"}


def write(out: Path, record: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write the record and its page; one of the same card and day is replaced.

    Returns:
        Paths of both.

    Raises:
        StorageError: the folder cannot be written.
    """
    model = re.sub(r"[^a-z0-9]+", "_", record["model"].lower()).strip("_")
    paths = [out / f"gpu_{model}_{record['started'][:10]}{end}" for end in (".json", ".md")]
    write_json(paths[0], record)
    write_atomically(paths[1], page(record).encode())
    return paths[0], paths[1]


def page(record: Mapping[str, Any]) -> str:
    """Return the record as Markdown: what was tried, what came of it, how long it took."""
    steps: Sequence[Mapping[str, Any]] = record["steps"]
    counts = ", ".join(
        f"{sum(step['status'] == status for step in steps)} {status}"
        for status in ICONS
        if any(step["status"] == status for step in steps)
    )
    rows = [
        f"| {ICONS[step['status']]} {step['status']} | {_cell(step['name'])} | {_cell(step['question'])} "
        f"| {_cell(step['detail'])} | {duration(step['seconds'])} |"
        for step in steps
    ]
    return "\n".join(
        [
            f"# GPU acceptance: {record['model']}",
            "",
            f"{record['started']}, commit {record['commit'] or 'unknown'}{' with changes' if record['dirty'] else ''}, "
            f"driver {record['driver'] or 'unknown'}, in {duration(record['seconds'])}: {counts}. Made by "
            f"`{record['command']}`; the numbers are in the JSON file beside this page.",
            "",
            "| | step | what is tried | what came of it | time |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
