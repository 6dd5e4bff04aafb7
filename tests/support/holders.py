"""Another process that holds a lock until it is told or killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.core.paths import ROOT

_HOLD = """
import os, sys
from pathlib import Path
from suite.core.locks import acquire
lock = acquire(Path(sys.argv[1]), shared=sys.argv[2] == "shared")
{more}
print("held", flush=True)
sys.stdin.read()
lock.close()
"""
LEAVES_A_CHILD = "if not os.fork(): import time; time.sleep(30); os._exit(0)"
"""The holder forks a process that outlives it."""


@contextmanager
def holding(path: Path, *, shared: bool = False, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lock at `path` for as long as the block lasts.

    Args:
        path: of the locked file.
        shared: see `suite.core.locks.acquire`.
        more: a statement of the holder's, when it has the lock.
    """
    program = _HOLD.format(more=more)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path), "shared" if shared else "alone"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.communicate("", timeout=20)


def kill(process: subprocess.Popen[str]) -> None:
    """End a holder as the kernel does when memory runs out."""
    process.kill()
    process.wait()
