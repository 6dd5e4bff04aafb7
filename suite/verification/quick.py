"""Checks that a run makes of its environment before its experiments: about a second, recorded with the run."""

from __future__ import annotations

import sys
from pathlib import Path

from suite.core.forms import Tell, warn
from suite.errors import RequestError
from suite.verification import isolation, machine, packages
from suite.verification.determinism import determinism
from suite.verification.outcome import Check
from suite.verification.record import read, save

FILE = "checks.json"


def check_environment(run: Path, profile: str, device: str, *, strict: bool = False) -> None:
    """Check, record, and say what is wrong; a run goes on, since its cells are judged anyway.

    Args:
        run: its folder.
        profile: `mini` or `paper`.
        device: where the experiments run.
        strict: what is wrong ends the run before any number is made.

    Raises:
        RequestError: strict, and something is wrong.
        StorageError: the run folder cannot be written.
    """
    checks = quick(profile, device)
    save(run / FILE, checks, {}, {"profile": profile, "device": device})
    failed_checks = [check for check in checks if check.status == "failed"]
    if failed_checks and strict:
        raise RequestError("; ".join(check.text().replace("\n ", "") for check in failed_checks))
    spoiling = [check for check in checks if check.name == "gpu" and check.status == "warning"]
    for check in (*failed_checks, *spoiling):
        print(f"warning: {check.text()}", file=sys.stderr)


def quick(profile: str, device: str) -> list[Check]:
    """Run every check but those that read all installed files, and the GPU's where none was asked for."""
    return [
        machine.python(),
        packages.lock_fits_project(),
        packages.packages(),
        machine.processor(),
        *([machine.gpu(profile), machine.kernel()] if device == "cuda" else []),
        isolation.image(),
        isolation.isolation(),
        *determinism(device),
    ]


def outcomes(run: Path, tell: Tell = warn, *, folder: Path | None = None) -> dict[str, str]:
    """Map check to its status and sentence, as this run recorded them; empty where it made none.

    Args:
        run: its folder.
        tell: receives what is wrong with the run's file.
        folder: where it lies, if that is a shard's; None for the run's own.
    """
    path = (folder or run) / FILE
    subjects = (read(path, tell, place=path.relative_to(run).as_posix()) or {"subjects": {}})["subjects"].values()
    checks = [Check.parse(record) for subject in subjects for record in subject["checks"]]
    return {f"{check.subject} {check.name}": f"{check.status}: {check.detail}" for check in checks}
