"""The report's files, and reading a run's report back."""

from __future__ import annotations

import json
from pathlib import Path

from suite.core.files import Json, write_atomically
from suite.core.forms import FormError, check_form, in_place_of, read_form, shown
from suite.errors import RequestError
from suite.report.build import SCHEMA
from suite.report.digests import digest, digests
from suite.report.report_form import REPORT_FORM

NAME = "report.json"
AGAIN = "run that report again"


def contents(run_dir: Path, report: Json) -> dict[str, bytes]:
    """Return the files of a report: the pages, then report.json with the digests of all that people read.

    Args:
        run_dir: the run's folder; paths of figures are relative to it.
        report: see `suite.report.build.build`.
    """
    from suite.report import badge, brief, html, junit, markdown  # Matplotlib, which reading a report back needs not

    texts = {
        "report.html": html.render(report, run_dir),
        "report.md": markdown.render(report),
        "summary.md": brief.render(report),
        "badge.json": badge.render(report),
        "junit.xml": junit.render(report),
    }
    # names from a file system may hold lone surrogates, which UTF-8 cannot
    pages = {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    files = digests(run_dir) | {name: digest(content) for name, content in pages.items()}
    return pages | {NAME: (json.dumps(report | {"files": files}, indent=1, allow_nan=False) + "\n").encode()}


def write(run_dir: Path, report: Json) -> None:
    """Write report.json and the pages beside it, each whole or not at all.

    All are made before the first is written, so that a fault in one leaves the older ones together.

    Args:
        run_dir: the run's folder; paths of figures are relative to it.
        report: see `suite.report.build.build`.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    for name, content in contents(run_dir, report).items():
        write_atomically(run_dir / name, content)


def load(place: Path) -> Json:
    """Read the report of a run.

    Args:
        place: a run's folder, or its report.json.

    Raises:
        RequestError: no report there, or not one of this schema and form.
    """
    path = place / NAME if place.is_dir() else place
    try:
        report: Json = read_form(path, "a table", "a report")
        if report.get("schema") == SCHEMA:
            check_form(report, REPORT_FORM, str(path))
    except OSError as error:
        raise RequestError(
            f"{place}: expected the folder of a finished run, with {NAME}, got {in_place_of(place)}; make one with "
            "make reproduce"
        ) from error
    except FormError as error:
        raise RequestError(f"{error}; {AGAIN}") from error
    if report.get("schema") != SCHEMA:
        schema = shown(report.get("schema"))
        raise RequestError(f"{path}: expected a report of schema {SCHEMA}, got schema {schema}; {AGAIN}")
    return report
