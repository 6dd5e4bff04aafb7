"""The report's files, and reading a run's report back."""

from __future__ import annotations

import json
from pathlib import Path

from suite.core.files import Json, write_atomically
from suite.errors import RequestError
from suite.report import html, junit, markdown
from suite.report.build import SCHEMA


def write(run_dir: Path, report: Json) -> None:
    """Write report.json, report.md, report.html and junit.xml, each whole or not at all.

    All are made before the first is written, so that a fault in one leaves the older ones together.

    Args:
        run_dir: the run's folder; paths of figures are relative to it.
        report: see `suite.report.build.build`.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    texts = {
        "report.html": html.render(report, run_dir),
        "report.md": markdown.render(report),
        "junit.xml": junit.render(report),
        "report.json": json.dumps(report, indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        # names from a file system may hold lone surrogates, which UTF-8 cannot
        write_atomically(run_dir / name, text.encode("utf-8", "replace"))


def load(place: Path) -> Json:
    """Read the report of a run.

    Args:
        place: a run's folder, or its report.json.

    Raises:
        RequestError: no report there, or not one of this schema.
    """
    path = place / "report.json" if place.is_dir() else place
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{path}: no report: {error.strerror}; expected the folder of a finished run") from error
    except ValueError as error:
        raise RequestError(f"{path}: expected JSON, got something else: {error}; run that report again") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if schema != SCHEMA:
        raise RequestError(f"{path}: expected a report of schema {SCHEMA}, got schema {schema}; run that report again")
    return report
