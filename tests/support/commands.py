"""Commands as a person gives them, and what ends them when the test is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite.core.paths import ROOT

GRACE_S = 60
"""Time for a command to clean up after itself, before it is killed."""


def environment(**changed: str) -> dict[str, str]:
    """Return the variables of a command, without those by which pytest would show through."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | changed


def run(
    command: Sequence[str | Path], *, cwd: Path = ROOT, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. If the test is stopped before, the command and all that it started are told to end."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(**(variables or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            stop(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def stop(process: subprocess.Popen[str]) -> None:
    """End the session that a process leads: gently, then for sure."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.communicate(timeout=GRACE_S)
            except subprocess.TimeoutExpired:
                continue


def suite(
    *arguments: str | Path,
    prefix: Sequence[str] = (),
    cwd: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m suite` with these arguments.

    Args:
        arguments: verb and options.
        prefix: a command that starts it, e.g. as another user.
        cwd: a checkout.
        variables: of the environment, beside the test's.
    """
    return run([*prefix, sys.executable, "-m", "suite", *arguments], cwd=cwd, variables=variables)


def last_lines(text: str, count: int = 5) -> str:
    """Return the end of a long output, which says why it ended."""
    return "\n".join(text.splitlines()[-count:])
