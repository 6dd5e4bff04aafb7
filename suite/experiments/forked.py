"""Trials in the process that was forked for them: pytest runs them as it does by hand, and tells of each as it goes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from suite.core.locks import HeldError, locked, waited_for
from suite.core.paths import EXPERIMENTS, ROOT
from suite.run.processes import Send

PRELOADED = ("suite.core.source_code", "suite.experiments.preloaded")
"""Modules of the server; digests of the source first, so that they are of what is imported after them."""
BEGAN, ENDED, HELD = "began", "ended", "held"
"""First words of messages."""


@dataclass(frozen=True)
class Turn:
    """Turn of a process at a group of trials that no other run in the folder runs meanwhile.

    Attributes:
        lock: file that it locks.
        wait: until another process that has locked it has ended, whose results then are there.
    """

    lock: Path
    wait: bool


def run_trials(
    send: Send,
    arguments: Sequence[str],
    trials: Sequence[str],
    threads: int,
    turn: Turn | None = None,
) -> bool:
    """Run trials by pytest.

    Messages:
        (BEGAN, trial): it is about to be measured or reused.
        (ENDED, trial, passed, facts, warnings): its test has ended; facts are its properties, name -> text.
        (HELD, holders): another process runs these trials just now, and none of them was begun here.

    Args:
        send: sends these messages.
        arguments: of the request, as options.
        trials: by their names, in order.
        threads: of PyTorch.
        turn: taken before them; None where no other run is in the folder.

    Returns:
        Whether a signal interrupted them.
    """
    if turn is None:
        return _run_trials(send, arguments, trials, threads)
    what = ", ".join(trials)
    try:
        with waited_for(turn.lock, what, quiet=True) if turn.wait else locked(turn.lock, quiet=True):
            return _run_trials(send, arguments, trials, threads)
    except HeldError as error:
        send((HELD, error.holders))
        return False


def _run_trials(send: Send, arguments: Sequence[str], trials: Sequence[str], threads: int) -> bool:
    ignore_callers_options()
    messenger = Messenger(send)
    pytest.main(
        [
            str(EXPERIMENTS),
            f"--rootdir={ROOT}",
            *("-c", os.devnull, "-o", "addopts=", "--import-mode=importlib"),
            *("-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception"),
            "--quiet",
            "--tb=short",
            *arguments,
            *(f"--trial={trial}" for trial in trials),
            f"--threads={threads}",
        ],
        plugins=[messenger],
    )
    return messenger.interrupted


def ignore_callers_options() -> None:
    """Leave a caller's options of pytest to the caller's tests."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


class Messenger:
    """pytest plugin: sends what happens to the process that started this one."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.trial = ""
        self.interrupted = False

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that it did not end by itself."""
        self.interrupted = True

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say which trial begins."""
        self.trial = trial_name(item)
        self.send((BEGAN, self.trial))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say how a trial ended."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.send((ENDED, self.trial, report.passed, facts_of(report), warnings_of(report)))


def trial_name(item: pytest.Item) -> str:
    """Return the name of the trial that a test is of, `experiment/dataset/method`; empty for a claim's test."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "task" not in callspec.params:
        return ""
    return str(callspec.id)


def facts_of(report: pytest.TestReport) -> Mapping[str, str]:
    """Return what a test says of its trial: name -> text."""
    return {str(name): str(text) for name, text in report.user_properties}


def warnings_of(report: pytest.TestReport) -> list[str]:
    """Return what a trial had to say that fails nothing; pytest shows no output of a test that passes."""
    return [str(text) for name, text in report.user_properties if name == "warning"]
