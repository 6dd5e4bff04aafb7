"""Programs of the suite, run as a user runs them: a process with streams of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from suite.core.paths import ROOT

START = "import runpy, sys; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"


def command(*arguments: str, patch: str = "", module: str = "suite") -> list[str]:
    """The command line of a program, after statements that break something in it."""
    return [sys.executable, "-c", f"{patch}\n{START.format(module=module)}", *arguments]


def run(
    *arguments: str, patch: str = "", module: str = "suite", redirection: str = "", cwd: Path = ROOT, **settings: Any
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program in bash.

    Args:
        arguments: of the program.
        patch: statements that break something in it beforehand.
        module: what it is.
        redirection: what bash appends to the command, e.g. `>&-`; the exit code is the program's in a pipe, too.
        cwd: its working directory.
        settings: environment variables.
    """
    script = f'"$@" {redirection}; exit "${{PIPESTATUS[0]}}"'
    line = ["bash", "-c", script, "bash", *command(*arguments, patch=patch, module=module)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, check=False, timeout=120)


def until(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Whether the condition came true within the seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())
