"""Contents of an archive: the files of a run that are evidence, and the part of the source they were made from."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.core.paths import ROOT
from suite.results.store import ALTERED

RUN = ("report.*", "run.json", "attempts.jsonl", "sbom.json", "verification.json", "checks.json", "conformance.json")
FOLDERS = ("cells", "items", "figures", "not_run")
"""Files of a run but junit.xml and pytest.log, which name the machine; what they say of results is in the report."""
SOURCE = (
    "requirements.lock",
    "pyproject.toml",
    "suite/protocol/*.toml",
    "expected/**/*.toml",
    "expected/*/SHA256SUMS",
    "suite/experiments/*.py",
)
"""Files below `source/`: which packages, which hyper-parameters, which references, which procedure."""

DESCRIPTIONS = {
    "report.html": "The report, for people",
    "report.md": "The report, in Markdown",
    "report.json": "The report, for programs: every cell with its reference and verdict, and the digest of all results",
    "run.json": "What was asked for, and when",
    "attempts.jsonl": "Every attempt: when, with which code and environment, what was measured, how it ended",
    "environment.json": "Code, packages, machine and container of the run",
    "sbom.json": "Every package of the lock with its SHA-256, CycloneDX 1.6",
    "verification.json": "What was found when the datasets were verified",
    "checks.json": "What the checks before the experiments found",
    "source/requirements.lock": "Hash-locked packages",
}


def contents(run: Path, report: Mapping[str, Any]) -> dict[str, bytes]:
    """Return path in the archive -> content, sorted by path; an unpacked archive is itself a run folder.

    Args:
        run: its folder.
        report: its report.json.
    """
    files = {"environment.json": (json.dumps(report["environment"], indent=1) + "\n").encode()}
    places = [path for pattern in RUN for path in run.glob(pattern)]
    places += [path for folder in FOLDERS for path in (run / folder).rglob("*")]
    for path in places:
        # a link may lead out of the folder; what an interrupted write left, or a hand edited, is no evidence
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.suffix != ALTERED:
            files[path.relative_to(run).as_posix()] = path.read_bytes()
    for path in (path for pattern in SOURCE for path in ROOT.glob(pattern)):
        files[f"source/{path.relative_to(ROOT).as_posix()}"] = path.read_bytes()
    return {name: files[name] for name in sorted(files)}


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
