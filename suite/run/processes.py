"""Jobs, each in a process of its own: a job that dies takes nothing with it, and its death is a result.

Processes are forked from a server (`multiprocessing`, start method "forkserver") that has imported what they need, run
nothing and touched no device: a fork of it takes milliseconds, where starting Python with PyTorch takes ten seconds. A
pool that reuses its workers (pytest-xdist, `concurrent.futures`, pebble) either hangs or breaks as a whole when one is
killed, or would carry the memory of one trial into the next.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Protocol

from suite.core.memory import MemoryUse, memory_use
from suite.core.signals import INTERRUPTED, TERMINATED, graceful_termination, terminated

Send = Callable[[object], None]
"""Sends a message, which must be picklable, to the process that started the job."""

DIED = "its process "
"""Beginning of the sentence on a death."""

_LOOK_S = 0.25
"""Seconds between two looks at the machine's memory."""
_PATIENCE_S = 20.0
"""Seconds for a process to be gone after its last message."""
_OUTPUT_BYTES = 1 << 20
"""Limit on output kept of a process; what is older is dropped."""
_SERVER_S = 20.0
"""Seconds in which a process is started again where the server dies meanwhile."""
_AGAIN_S = 0.02
"""Seconds between two starts: a killed server refuses before it can be seen to have ended, and be replaced."""
_GOODBYE = "\0goodbye"


@dataclass(frozen=True, eq=False)
class Job:
    """Work for one process.

    Attributes:
        name: told to `Listener`.
        arguments: of the work; must be picklable.
    """

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class End:
    """End of a job's process.

    Attributes:
        finished: whether the work returned; else the process died.
        exit_code: minus the number of the signal that ended it; None where that is not known.
        before: the machine's memory when it began.
        after: memory when it was last seen alive.
        output: bytes that it wrote to stdout and stderr, the last million of them.
    """

    finished: bool
    exit_code: int | None
    before: MemoryUse
    after: MemoryUse
    output: bytes

    @property
    def short_of_memory(self) -> bool:
        """Whether memory is the likely reason of a death."""
        if self.finished or self.exit_code != -signal.SIGKILL:
            return False
        return self.after.kills > self.before.kills or self.after.is_short

    @property
    def cause(self) -> str:
        """Sentence on a death: `its process was killed (SIGKILL; most likely out of memory: 23.1 of 24.0 GiB)`."""
        code = self.exit_code
        if code in {INTERRUPTED, TERMINATED}:
            return f"{DIED}was interrupted ({signal.Signals(code - 128).name})"
        if code is None or code >= 0:
            told = "" if code is None else f" with exit code {code}"
            return f"{DIED}ended{told} before it had a result: see pytest.log"
        name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
        if self.short_of_memory:
            return f"{DIED}was killed ({name}; most likely out of memory: {self.after})"
        where = "" if -code in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP} else ": see pytest.log"
        return f"{DIED}was killed ({name}){where}"


class Listener(Protocol):
    """Hears of jobs, in the process that started them."""

    def wanted(self, job: Job) -> bool:
        """Tell, when its turn has come, whether a job is still to be done."""

    def message(self, job: Job, message: Any) -> None:
        """Take in a message of a job's work."""

    def ended(self, job: Job, end: End) -> Iterable[Job]:
        """Take in the end of a job's process; return jobs to be done because of it."""


def start_server(*modules: str) -> None:
    """Start the server that processes are forked from, which imports these modules while others go on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def run_jobs(jobs: Sequence[Job], work: Callable[..., object], listener: Listener, *, processes: int) -> None:
    """Do every job in a process of its own.

    Args:
        jobs: in the order in which they begin.
        work: called with `Send` and a job's arguments; importable by its name; returns True if it was interrupted.
        listener: hears of messages and ends; what it raises ends all jobs.
        processes: so many at the same time.

    Raises:
        KeyboardInterrupt: on SIGINT or SIGTERM, passed on once to every process; a second one kills them.
    """
    pool = _Pool(work, listener)
    waiting = deque(jobs)
    with _suspended_together(pool.running):
        try:
            while waiting or pool.running:
                while waiting and len(pool.running) < processes:
                    job = waiting.popleft()
                    if listener.wanted(job):
                        pool.start(job)
                waiting.extend(pool.wait())
        except KeyboardInterrupt:
            pool.stop(signal.SIGTERM if terminated() else signal.SIGINT)
            raise
        finally:
            pool.kill()


@dataclass(eq=False)
class _Running:
    """A process at work.

    Attributes:
        messages: from its work; None after the last one.
        output: what it writes; None after its end.
    """

    job: Job
    process: multiprocessing.process.BaseProcess
    messages: Connection | None
    output: Connection | None
    before: MemoryUse
    after: MemoryUse
    finished: bool = False
    written: bytearray = field(default_factory=bytearray)

    def signal(self, number: int) -> None:
        """Send a signal to it and to all that it started; before its work has begun, what would end it kills it."""
        pid = self.process.pid or 0
        with suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(pid, number)
            except ProcessLookupError:  # it has ended, or has not come so far as to have a group of its own
                if self.process.exitcode is None:
                    os.kill(pid, number if number in {signal.SIGSTOP, signal.SIGCONT} else signal.SIGKILL)

    def read(self) -> None:
        """Take over what it has written."""
        try:
            chunk = os.read(self.output.fileno(), 1 << 16) if self.output else b""
        except OSError:
            chunk = b""
        if not chunk:
            self.output = None
        self.written += chunk
        del self.written[:-_OUTPUT_BYTES]


class _Pool:
    def __init__(self, work: Callable[..., object], listener: Listener) -> None:
        self.work = work
        self.listener = listener
        self.running: list[_Running] = []

    def start(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        patience = time.monotonic() + _SERVER_S
        while True:
            (messages, send), (output, write) = context.Pipe(duplex=False), context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(self.work, send, write, job.arguments), name=job.name)
            try:
                process.start()
                break
            except (EOFError, ConnectionError):  # the server was killed while it forked; another takes its place
                messages.close()  # so that a process which it has forked nevertheless ends at its first word
                output.close()
                if time.monotonic() > patience:
                    raise
                time.sleep(_AGAIN_S)
            finally:
                send.close()
                write.close()
        now = memory_use()
        self.running.append(_Running(job, process, messages, output, now, now))

    def wait(self, *, told: bool = True) -> list[Job]:
        """Wait for news; tell the listener, if that is wanted, and return jobs to be done because of it."""
        sources = [source for one in self.running for source in (one.messages, one.output) if source is not None]
        ready = connection.wait([*sources, *(one.process.sentinel for one in self.running)], _LOOK_S)
        now = memory_use()
        more: list[Job] = []
        for one in list(self.running):
            if one.process.sentinel not in ready:
                one.after = now
            if one.output in ready:
                one.read()
            if one.messages in ready:
                self._receive(one, told=told)
            if one.messages is None or (one.process.sentinel in ready and not self._is_alive(one)):
                end = self._end(one, told=told)
                more += self.listener.ended(one.job, end) if told else ()
        return more

    def stop(self, number: int) -> None:
        """Send a signal to all, once, and wait until they have ended; nobody is told any more."""
        for one in self.running:
            one.signal(number)
        while self.running:
            self.wait(told=False)

    def kill(self) -> None:
        """Kill what is left."""
        for one in self.running:
            one.signal(signal.SIGKILL)
        for one in self.running:
            one.process.join(_PATIENCE_S)
        self.running.clear()

    def _receive(self, one: _Running, *, told: bool) -> None:
        assert one.messages is not None
        try:
            message = one.messages.recv()
        except (EOFError, OSError):  # all is said, or it was killed in the middle of a message
            one.messages.close()
            one.messages = None
            return
        if message == _GOODBYE:
            one.finished = True
        elif told:
            self.listener.message(one.job, message)

    @staticmethod
    def _is_alive(one: _Running) -> bool:
        """Tell whether a process whose end was announced goes on: it does where only the server has died."""
        if one.process.exitcode != _UNKNOWN:
            return False
        try:
            os.kill(one.process.pid or 0, 0)
        except ProcessLookupError:
            return False
        time.sleep(_LOOK_S)  # its sentinel stays ready, so nothing else would slow the loop down
        return True

    def _end(self, one: _Running, *, told: bool) -> End:
        while one.messages is not None and one.messages.poll():
            self._receive(one, told=told)
        one.process.join(_PATIENCE_S)
        one.signal(signal.SIGKILL)  # what it has started, or itself where it does not end
        one.process.join(_PATIENCE_S)
        while one.output is not None and one.output.poll():
            one.read()
        self.running.remove(one)
        code = one.process.exitcode
        after = max(one.after, memory_use(), key=lambda use: use.kills) if code == -signal.SIGKILL else one.after
        return End(one.finished, None if code == _UNKNOWN else code, one.before, after, bytes(one.written))


_UNKNOWN = 255
"""Exit code that `multiprocessing` gives where the server has died and cannot tell."""


@contextmanager
def _suspended_together(running: list[_Running]) -> Iterator[None]:
    """Pass Ctrl-Z on to the processes, which a terminal does not reach, and let them go on with this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def suspend(number: int, _frame: FrameType | None) -> None:
        for one in running:
            one.signal(signal.SIGSTOP)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, suspend)  # here it goes on, after SIGCONT
        for one in running:
            one.signal(signal.SIGCONT)

    before = signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _work(work: Callable[..., object], messages: Connection, output: Connection, arguments: tuple[Any, ...]) -> None:
    """Do a job in the process that was forked for it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the first process alone, which passes it on once
    for handle in (1, 2):
        os.dup2(output.fileno(), handle)
    output.close()
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.enable(sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with graceful_termination():
        try:
            interrupted = work(messages.send, *arguments)
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        sys.exit(TERMINATED if terminated() else INTERRUPTED)
    messages.send(_GOODBYE)


def _end_with_parent() -> None:
    """End this process, and all that it started, soon after the one it works for has ended in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os.killpg(0, signal.SIGKILL)
