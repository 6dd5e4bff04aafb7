"""Jobs done in the test's own process, one after another, so that what a test has patched holds for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import pytest

from suite.core.memory import memory_use
from suite.run.processes import End, Job, Listener


def run_jobs_here(jobs: Sequence[Job], work: Callable[..., object], listener: Listener, *, processes: int) -> None:
    """`suite.run.processes.run_jobs` without processes."""
    waiting, now = deque(jobs), memory_use()
    while waiting:
        job = waiting.popleft()
        if listener.wanted(job):
            messages: list[object] = []
            interrupted = work(messages.append, *job.arguments)
            for message in messages:
                listener.message(job, message)
            if interrupted:
                raise KeyboardInterrupt
            waiting.extend(listener.ended(job, End(True, 0, now, now, b"")))


def call_here(function: Callable[..., object], *arguments: object, hear: Callable | None = None) -> object:
    """`suite.run.calls.call` without a process."""
    return function(*arguments) if hear is None else function(*arguments, tell=hear)


def do_jobs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `reproduce` start no process."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.setenv(name, "")  # what is changed in a process of its own comes back after the test
    monkeypatch.setattr("suite.reproduction.trials.run_jobs", run_jobs_here)
    monkeypatch.setattr("suite.reproduction.measure.call", call_here)
    monkeypatch.setattr("suite.candidate.apart.call", call_here)
    monkeypatch.setattr("suite.triage.triage.call", call_here)
    monkeypatch.setattr("suite.triage.measuring.call", call_here)
    for place in ("candidate.check", "reproduction.reproduce", "triage.triage"):
        monkeypatch.setattr(f"suite.{place}.start_server", lambda *_: None)
