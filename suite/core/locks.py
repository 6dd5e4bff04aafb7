"""Locks between processes: a locked file that notes who holds it.

The lock is the kernel's (`flock`), so it ends with its process, however that ends; the note in the file is for people
and never decides anything. `filelock` is not used: it knows no shared lock, takes EACCES for a holder for ever, and
where a file system has no `flock` (ENOSYS) it locks by the file's existence, which outlives a killed process.

Some network disks have no `flock` (Lustre without `-o flock`: ENOSYS; NFS without its lock daemon: ENOLCK), or have it
on one host only. Work goes on there, with a warning: a lock is a courtesy between two commands, and results are written
whole or not at all in any case.
"""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import platform
import shlex
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from suite.core.text import now
from suite.errors import StorageError, SuiteError

_NOTE_S = 0.5
"""Seconds for whoever has taken a lock to note who it is."""
_LOOK_S = 0.2
"""Seconds between two looks whether a lock is free."""
_NOTE_BYTES = 1 << 16
"""Limit on bytes read of a note."""
_COMMAND_CHARACTERS = 160
_FLAGS = os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock.

    Attributes:
        host: its machine, or container.
        process: its number there.
        since: when it took the lock.
        command: what it runs.
    """

    host: str
    process: int
    since: str
    command: str

    @property
    def is_gone(self) -> bool:
        """Whether it surely has ended; of another machine's nobody here can tell."""
        return self.host == platform.node() and not psutil.pid_exists(self.process)

    def __str__(self) -> str:
        text = f"process {self.process} on {self.host} since {self.since} ({self.command})"
        return "".join(character if character.isprintable() else "?" for character in text)


class HeldError(SuiteError):
    """Lock that another process holds.

    Attributes:
        holders: who they are, as part of a sentence.
    """

    def __init__(self, path: Path, holders: str) -> None:
        super().__init__(f"{path}: expected a free lock, but {holders} holds it: wait for it to end")
        self.path, self.holders = path, holders

    def __reduce__(self) -> tuple[type[HeldError], tuple[Path, str]]:
        """Send another process what this was made of."""
        return HeldError, (self.path, self.holders)


class Lock:
    """A lock that this process holds until it is closed.

    Attributes:
        path: the locked file.
        shared: whether others may hold it at the same time.
        file: its descriptor; None where the file system has no locks, and after the end.
    """

    def __init__(self, path: Path, file: int | None, *, shared: bool) -> None:
        """Note in the file who holds it."""
        self.path, self.file, self.shared = path, file, shared
        self.holder = Holder(platform.node(), os.getpid(), now(), _command())
        if file is not None:
            _HELD.add(self)
            self._note({})

    def close(self) -> None:
        """End it."""
        _HELD.discard(self)
        if self.file is not None:
            self._note({"ended": True})
            with suppress(OSError):
                os.close(self.file)
        self.file = None

    def _note(self, more: dict[str, bool]) -> None:
        """Write a line; a lock that nobody shares holds no other, and none after its end."""
        assert self.file is not None
        with suppress(OSError):  # a full disk, or another user's file: the lock holds without a note
            if not self.shared:
                os.ftruncate(self.file, 0)
            if self.shared or not more:
                os.write(self.file, json.dumps(asdict(self.holder) | more).encode() + b"\n")


_HELD: set[Lock] = set()
"""Locks of this process."""
_WARNED: set[Path] = set()
"""Files of which this process has said that they cannot be locked."""


def acquire(
    path: Path, *, shared: bool = False, mode: int | None = None, required: bool = False, quiet: bool = False
) -> Lock:
    """Take a lock, or say at once who holds it.

    Where the file cannot be made or locked, a warning is printed, once, and the lock holds nobody up.

    Args:
        path: of the file that is locked; made, with its folder, where it is missing, and never removed.
        shared: let others that ask for the same hold it too.
        mode: permissions of a new file, whatever the umask; None for those that the umask leaves.
        required: fail where the file cannot be made or locked.
        quiet: print no such warning, as whoever works there does without the lock.

    Raises:
        HeldError: another process holds it.
        StorageError: it is required and cannot be had.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + _NOTE_S
        while True:
            file = _open(path, mode)
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                if _is_still(path, file):
                    return Lock(path, file, shared=shared)
                os.close(file)  # somebody has removed the file meanwhile, and others lock its successor
            except OSError as error:
                holders = _holders(file)
                os.close(file)
                # CIFS answers EACCES where a lock is held, others where they have none
                if error.errno == errno.EAGAIN or (error.errno == errno.EACCES and holders):
                    if not holders and time.monotonic() < end:  # it has not yet written who it is, or just ends
                        time.sleep(_NOTE_S / 20)
                        continue
                    raise HeldError(path, " and ".join(map(str, holders)) or "another process") from error
                raise
    except OSError as error:
        if required:
            raise StorageError(f"{path}: cannot be locked: {error.strerror or error}") from error
        if not quiet and path not in _WARNED:
            _WARNED.add(path)
            print(
                f"warning: {path}: cannot be locked ({error.strerror or error}): see to it yourself that no other "
                "process works there",
                file=sys.stderr,
            )
        return Lock(path, None, shared=shared)


@contextmanager
def locked(path: Path, *, shared: bool = False, quiet: bool = False) -> Iterator[None]:
    """Hold a lock, or raise `HeldError`; see `acquire`."""
    lock = acquire(path, shared=shared, quiet=quiet)
    try:
        yield
    finally:
        lock.close()


@contextmanager
def waited_for(path: Path, what: str, *, quiet: bool = False) -> Iterator[None]:
    """Hold a lock that nobody shares; wait for another process to end, and say so once.

    Args:
        path: see `acquire`.
        what: is being done under it, for the message.
        quiet: see `acquire`.
    """
    lock, has_spoken = None, False
    while lock is None:
        try:
            lock = acquire(path, quiet=quiet)
        except HeldError as error:
            if not has_spoken:
                print(f"{what}: {error.holders} is at it; waiting", file=sys.stderr, flush=True)
            has_spoken = True
            time.sleep(_LOOK_S)
    try:
        yield
    finally:
        lock.close()


def holders_of(path: Path, *, ask: bool = True) -> str:
    """Tell who holds a lock that nobody shares, as part of a sentence; empty where nobody does or that cannot be told.

    Args:
        path: of the file, which is neither made nor changed.
        ask: for the lock, as others may have it, for a moment; else believe the note, which outlives a process that was
            killed on another machine.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if ask:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return ""
        return " and ".join(map(str, _holders(file)))
    except OSError as error:
        is_held = error.errno == errno.EAGAIN
        return " and ".join(map(str, _holders(file))) or "another process" if is_held else ""
    finally:
        os.close(file)


def is_of_here(path: Path) -> bool:
    """Tell whether the one that has held a lock last, as its note says, is or was a process of this machine."""
    try:
        lines = path.read_bytes()[:_NOTE_BYTES].splitlines()
        return bool(lines) and json.loads(lines[-1])["host"] == platform.node()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _open(path: Path, mode: int | None) -> int:
    """Open the file to be locked; one of another user at least for reading, which suffices to lock it."""
    while True:
        try:
            # without O_CREAT first: in a sticky folder the kernel refuses that for other users' files
            return os.open(path, os.O_RDWR | _FLAGS)
        except FileNotFoundError:
            with suppress(FileExistsError):
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
                if mode is not None:
                    os.fchmod(file, mode)
                return file
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
            return os.open(path, os.O_RDONLY | _FLAGS)


def _is_still(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _holders(file: int) -> list[Holder]:
    """Read who holds a lock, as far as the note tells: those that have ended are left out."""
    try:
        lines = os.pread(file, _NOTE_BYTES, 0).splitlines()
    except OSError:
        return []
    holders: dict[Holder, None] = {}
    for line in lines:
        try:
            record = json.loads(line)
            holder = Holder(str(record["host"]), int(record["process"]), str(record["since"]), str(record["command"]))
        except (ValueError, KeyError, TypeError):
            continue
        if record.get("ended"):
            holders.pop(holder, None)
        else:
            holders[holder] = None
    return [holder for holder in holders if not holder.is_gone]


def _command() -> str:
    """Return this process's command, or that of the process which has started it for a piece of its work."""
    parent = multiprocessing.parent_process()
    try:
        words = sys.orig_argv if parent is None else psutil.Process(parent.pid).cmdline()
    except psutil.Error:
        words = sys.orig_argv
    return textwrap.shorten(shlex.join(words), _COMMAND_CHARACTERS, placeholder=" ...")


def _close_in_child() -> None:
    """Close what a forked process has inherited: it may outlive the holder, and the lock would with it."""
    for lock in _HELD:
        if lock.file is not None:
            with suppress(OSError):
                os.close(lock.file)
            lock.file = None
    _HELD.clear()


os.register_at_fork(after_in_child=_close_in_child)
