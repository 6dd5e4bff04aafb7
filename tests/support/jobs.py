"""Work for processes that die, and a listener that writes down what it hears."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from suite.run.processes import End, Job, Send


def work(send: Send, what: str, *arguments: object) -> None:
    """Say that it begins, then do what is named."""
    send("began")
    globals()[f"_{what}"](*arguments)
    send("ended")


def _nothing() -> None:
    print("some output")


def _kill(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def _crash() -> None:
    ctypes.string_at(0)


def _leave(code: int) -> None:
    os._exit(code)


def _raise() -> None:
    raise ValueError("a fault")


def _wait_for(path: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)


def _kill_server(path: Path) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    path.touch()
    time.sleep(0.5)


def _leave_a_child() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)  # holds the pipes open
    os.kill(os.getpid(), signal.SIGKILL)


def _note_interrupt(path: Path) -> None:
    """Write down every signal, and end after the first one's second."""
    try:
        path.with_suffix(".ready").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        path.write_text("interrupted")
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            path.write_text("interrupted twice")
        raise


def _note_number(path: Path) -> None:
    """Write the process's number, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.rename(path)


def _stay(path: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note_number(path)
    time.sleep(60)


class SlowToTakeIn:
    """Argument that keeps a process from beginning its work; the process notes its number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __setstate__(self, state: dict[str, Path]) -> None:
        _note_number(state["path"])
        time.sleep(60)


class Notes:
    """Listener that keeps everything."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, object]] = []
        self.ends: dict[str, End] = {}
        self.more: dict[str, list[Job]] = {}
        self.unwanted: set[str] = set()

    def wanted(self, job: Job) -> bool:
        return job.name not in self.unwanted

    def message(self, job: Job, message: object) -> None:
        self.messages.append((job.name, message))

    def ended(self, job: Job, end: End) -> Iterable[Job]:
        self.ends[job.name] = end
        return self.more.pop(job.name, ())


def job(name: str, what: str, *arguments: object) -> Job:
    """Return a job of `work`."""
    return Job(name, (what, *arguments))
