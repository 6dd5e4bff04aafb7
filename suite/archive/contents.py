"""Contents of an archive: the files of a run that are evidence, and the part of the source they were made from."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from suite.core.paths import ROOT
from suite.errors import StorageError
from suite.report import triaged
from suite.report.digests import JUNIT, PAGES, is_own, listed
from suite.report.files import NAME

RESULTS = ("cells", "items")
SOURCE = (
    "LICENSE",
    "requirements.lock",
    "pyproject.toml",
    "suite/protocol/*.toml",
    "expected/**/*.toml",
    "expected/encoders/*.items.xz",
    "expected/*/SHA256SUMS",
    "suite/experiments/*.py",
)
"""Files below `source/`: which packages, which hyper-parameters, which references, which procedure."""

DESCRIPTIONS = {
    "report.html": "The report, for people",
    "report.md": "The report, in Markdown",
    "summary.md": "The report in thirty lines, in Markdown",
    "badge.json": "The verdict, for a badge of shields.io",
    "report.json": "The report, for programs: every cell with its reference and verdict, and the digest of all results",
    "run.json": "What was asked for, and when",
    "attempts.jsonl": "Every attempt: when, with which code and environment, what was measured, how it ended",
    "plan.json": "How long every experiment was expected to take",
    "environment.json": "Code, packages, machine and container of the run",
    "sbom.json": "Every package of the lock with its SHA-256 and licence, CycloneDX 1.6",
    "verification.json": "What was found when the datasets were verified",
    "checks.json": "What the checks before the experiments found",
    "triage.json": "Named variants and usual mistakes that were tried for cells that differ, and what explains them",
    "source/LICENSE": "Licence of the files below source/, not of the run",
    "source/requirements.lock": "Hash-locked packages",
}


def contents(run: Path) -> dict[str, bytes]:
    """Return path in the archive -> content, sorted by path; an unpacked archive is itself a run folder.

    What triage tried is there with its results and their items, as the run's own are. Left out are junit.xml, which the
    report writes anew, and pytest.log, which names the machine.

    Args:
        run: its folder, which verifies.

    Raises:
        StorageError: a file cannot be read.
    """
    places = [*listed(run), *(run / name for name in (NAME, *PAGES) if name != JUNIT)]
    results = [run / folder for folder in RESULTS]
    results += [path for folder in RESULTS for path in (run / triaged.FOLDER).glob(f"*/{folder}")]
    places += [path for folder in results for path in folder.rglob("*") if is_own(path)]
    files = {path.relative_to(run).as_posix(): _read(path) for path in places}
    for path in (path for pattern in SOURCE for path in ROOT.glob(pattern)):
        files[f"source/{path.relative_to(ROOT).as_posix()}"] = _read(path)
    return {name: files[name] for name in sorted(files)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error


def description(path: str) -> str | None:
    """Describe a file of the archive; None where its name says it all."""
    parts = path.removesuffix(".json").split("/")
    if parts[0] == "cells" and len(parts) == 4:
        return f"Result of {parts[1]} on {parts[2]} with {parts[3]}"
    return DESCRIPTIONS.get(path)


def media_type(path: str) -> str:
    """Return the IANA media type of a file by its name."""
    media_types = {".toml": "application/toml", ".jsonl": "application/jsonl", ".md": "text/markdown"}
    media_types |= {".lock": "text/plain", ".py": "text/x-python"}
    return media_types.get(Path(path).suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
