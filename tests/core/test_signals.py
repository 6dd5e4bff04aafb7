"""A run hears Ctrl-C's signal and sees how its processes ended, whatever the process that started it ignores."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from suite.core.paths import ROOT

WAITS = """
import time
from suite.core.signals import graceful_termination
with graceful_termination():
    try:
        print("ready", flush=True)
        for _ in range(600):  # one long sleep would begin after a signal that came just before it
            time.sleep(0.05)
    except KeyboardInterrupt as interrupt:
        print(f"heard {interrupt}", flush=True)
"""
COUNTS = """
import subprocess, sys
from suite.core.signals import graceful_termination
with graceful_termination():
    print(subprocess.run([sys.executable, "-c", "import sys; sys.exit(7)"], check=False).returncode)
"""

STOPS = """
import os, signal, sys, time
from suite.core.signals import graceful_termination, stop_on_signals
number, pause = signal.Signals[sys.argv[1]], float(sys.argv[2])
with graceful_termination():
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), number)
            time.sleep(pause)
            os.kill(os.getpid(), number)
            print("after its step" if stop() else "not at all")
    except KeyboardInterrupt:
        print("at once")
"""

IGNORED = "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD): signal.signal(number, signal.SIG_IGN)"
HELD_BACK = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})"


def started(parent: str, code: str) -> list[str]:
    """A command that runs code in a process whose parent has done something to its signals."""
    execute = "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    return [sys.executable, "-c", f"import os, signal, sys\n{parent}\n{execute}", code]


@pytest.mark.parametrize(("number", "heard"), [(signal.SIGINT, "heard "), (signal.SIGTERM, "heard terminated")])
@pytest.mark.parametrize("parent", [IGNORED, HELD_BACK], ids=["ignored", "held back"])
def test_a_run_hears_a_signal_that_its_parent_ignores(parent: str, number: signal.Signals, heard: str) -> None:
    with subprocess.Popen(started(parent, WAITS), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        alarm = threading.Timer(20, process.kill)
        alarm.start()
        try:
            assert process.stdout.readline() == f"{heard}\n"
        finally:
            alarm.cancel()


def test_a_run_sees_how_its_processes_ended_though_its_parent_does_not_care() -> None:
    """Where SIGCHLD is ignored, nobody can tell, and Python says 0."""
    done = subprocess.run(started(IGNORED, COUNTS), cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "7\n"


def test_what_nohup_ignores_and_what_the_process_has_chosen_stays() -> None:
    code = """
import signal
from suite.core.signals import hear_signals
def chosen(*_): pass
signal.signal(signal.SIGTERM, chosen)
hear_signals()
print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, signal.getsignal(signal.SIGTERM) is chosen)
"""
    command = started("signal.signal(signal.SIGHUP, signal.SIG_IGN)", code)
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "True True\n"


@pytest.mark.parametrize(
    ("number", "pause", "end"),
    [("SIGTERM", 0, "after its step"), ("SIGTERM", 2.1, "at once"), ("SIGINT", 0, "at once")],
)
def test_a_sigterm_that_comes_by_two_ways_is_one(number: str, pause: float, end: str) -> None:
    """From a scheduler to every process of a job, and passed on by the one that started this."""
    command = [sys.executable, "-c", STOPS, number, str(pause)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{end}\n"
