"""Ending early, on Ctrl-C or on the SIGTERM that schedulers send, without losing what is done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

INTERRUPTED = 130
"""Exit code after Ctrl-C, 128 + 2 as shells count."""
TERMINATED = 143
"""Exit code after a SIGTERM, 128 + 15 as shells count."""

SAME_S = 2.0
"""Seconds within which two SIGTERMs are one that came by two ways."""

_terminated = threading.Event()


def terminated() -> bool:
    """Return whether a SIGTERM to this process has been turned into a graceful end by one of the handlers here."""
    return _terminated.is_set()


def hear_signals() -> None:
    """Undo what a parent may have left behind: SIGINT and SIGTERM ignored or held back, SIGCHLD ignored.

    nohup, a shell's background jobs and some CI runners start processes so, and a run would be deaf to Ctrl-C's signal
    sent on purpose; without SIGCHLD every process that it starts seems to end in 0. What this process has chosen itself
    stays, SIGHUP too: nohup means it. Only the main thread can; elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def graceful_termination() -> Iterator[None]:
    """End the work within on SIGTERM as on Ctrl-C: `KeyboardInterrupt`, here and in the processes started from here.

    A terminal sends Ctrl-C to all processes of a command; a scheduler may send SIGTERM to the first one only.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return

    hear_signals()

    def end(_number: int, _frame: FrameType | None) -> None:
        _pass_on()
        raise KeyboardInterrupt("terminated")

    _terminated.clear()
    # a terminal that goes away hangs up; what nohup starts ignores that, on purpose
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Yield a training's `stop`: a first SIGINT or SIGTERM ends it after its step, a second one at once.

    A SIGTERM that follows another within `SAME_S` is the same one: Slurm and systemd send it to every process of a job,
    and the process that started this one passes on its own. Only the main thread can receive signals, so use it there.
    """
    received_signals: list[tuple[int, float]] = []
    previous_handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if not received_signals:
            received_signals.append((number, now))
            if number == signal.SIGTERM:
                _pass_on()
            return
        first_number, first_time = received_signals[0]
        if number == first_number == signal.SIGTERM and now - first_time < SAME_S:
            return
        restore()
        signal.raise_signal(number)

    for number in previous_handlers:
        signal.signal(number, note)
    try:
        yield lambda: bool(received_signals)
    finally:
        restore()


def _pass_on() -> None:
    """Remember the SIGTERM, and send it on to the processes that this one has started."""
    if not _terminated.is_set():
        _terminated.set()
        for child in psutil.Process().children():
            try:
                child.terminate()
            except psutil.NoSuchProcess:
                continue
