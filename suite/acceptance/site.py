"""Site of an acceptance: the device that is tried, and what a step may use; and the answer that a step gives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from suite.core.paths import ROOT

Status = Literal["passed", "failed", "not applicable", "not run"]
"""`not applicable`: this machine has not what the step is about; `not run`: no time was left, or it cannot be tried."""
RunSuite = Callable[[Sequence[str], float], "Ended"]
"""Runs a verb of the suite with arguments, for so many seconds at most."""


@dataclass(frozen=True)
class Ended:
    """End of a verb that ran in a process of its own.

    Attributes:
        code: its exit code; None where time ran out.
        last_line: of what it wrote to standard error, else to standard output.
    """

    code: int | None
    last_line: str


@dataclass(frozen=True)
class Answer:
    """Answer of one step.

    Attributes:
        status: see `Status`.
        detail: one sentence.
        facts: what was measured, and the bounds it was held against; JSON's types only.
    """

    status: Status
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def verdict(passes: bool, detail: str, **facts: Any) -> Answer:
    """Return the answer of a step that measured something."""
    return Answer("passed" if passes else "failed", detail, facts)


@dataclass(frozen=True)
class Site:
    """Device that is tried.

    Attributes:
        device: `cuda`, or `cpu` for a stand-in.
        cards: GPUs that this process may use; on a stand-in, as many as it plays.
        folder: an empty one for whatever steps write; it is removed afterwards.
        until: moment on the monotonic clock by which all has to be over.
        run_suite: see `RunSuite`.
    """

    device: str
    cards: int
    folder: Path
    until: float
    run_suite: RunSuite

    @property
    def seconds_left(self) -> float:
        """Seconds until all has to be over."""
        return self.until - time.monotonic()

    @property
    def is_gpu(self) -> bool:
        """Whether the device is what the acceptance is for."""
        return self.device == "cuda"


def run_suite(arguments: Sequence[str], seconds: float) -> Ended:
    """Run `python -m suite` with arguments in a process of its own; see `RunSuite`."""
    command = [sys.executable, "-m", "suite", *arguments]
    try:
        done = subprocess.run(
            command, env=_with_source(), capture_output=True, text=True, timeout=max(1.0, seconds),
            check=False, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Ended(None, f"stopped after {seconds:.0f} s")
    lines = [line for text in (done.stdout, done.stderr) for line in text.splitlines() if line.strip()]
    return Ended(done.returncode, lines[-1] if lines else "no word")


def _with_source() -> dict[str, str]:
    """Return this process's environment, in which Python finds this source from any folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
