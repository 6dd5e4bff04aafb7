"""Standard streams that cannot end a program: a reader that goes away, a full disk, a closed or an ASCII terminal.

What a stream cannot take is dropped, and the first failure remembered for the exit code. What an encoding cannot write
is spelled in ASCII.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import stat
import sys
from dataclasses import dataclass
from typing import TextIO

SPELLINGS = {"−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "·": ".", "±": "+-", "≤": "<=", "≥": ">=", "≈": "~"}
"""ASCII for the signs that the suite prints; whatever else is written as Python would, `\\u0394`."""
_PLAIN = "suite.plain"
_READER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN}


class Output(io.FileIO):
    """File of a standard stream whose writes never fail.

    Attributes:
        failure: the first error that a write met; None where everything was written.
        is_device: whether it is a terminal or the like; one that is hung up no longer says that it is one.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor, and leave it open."""
        super().__init__(descriptor, "wb", closefd=False)
        self.failure: OSError | None = None
        self.is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)

    def write(self, data: object) -> int:
        """Write all that the other end takes; nothing more is sent to it once it has failed."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        rest = view
        while rest and self.failure is None:
            try:
                count = super().write(rest)
                if count is None:  # a pipe that another program made non-blocking
                    select.select([], [self.fileno()], [])
                rest = rest[count or 0 :]
            except OSError as error:
                self.failure = error
                _to_null(self.fileno(), os.O_WRONLY)  # for the processes that share it
        return len(view)


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard output and standard error of a program, after `guard_streams`."""

    output: Output
    error: Output

    def output_problem(self) -> str | None:
        """Return why standard output was not written whole; None if it was, or if only its reader went away."""
        failure = self.output.failure
        if failure is None or failure.errno in _READER_GONE:
            return None
        if failure.errno == errno.EIO and self.output.is_device:  # a terminal that was hung up
            return None
        return failure.strerror or str(failure)


def guard_streams() -> tuple[Streams, bool]:
    """Put streams that cannot fail in the place of this process's own.

    A descriptor that was closed is opened on the null device: the next file opened would take its number, and
    what is printed would go into it.

    Returns:
        The streams, and whether standard output was closed.
    """
    closed = [descriptor for descriptor in range(3) if not _is_open(descriptor)]
    for descriptor in closed:
        _to_null(descriptor, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    codecs.register_error(_PLAIN, _spell)
    streams = Streams(Output(1), Output(2))
    sys.stdout = _text(streams.output, sys.stdout, line_buffering=False)
    sys.stderr = _text(streams.error, sys.stderr, line_buffering=True)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc, assignment]  # some libraries print to these
    return streams, 1 in closed


def _text(output: Output, stream: TextIO | None, *, line_buffering: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors=_PLAIN,
        line_buffering=getattr(stream, "line_buffering", line_buffering),
        write_through=getattr(stream, "write_through", False),
    )


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    spelling = "".join(SPELLINGS.get(sign, sign.encode("ascii", "backslashreplace").decode()) for sign in text)
    return spelling, error.end


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _to_null(descriptor: int, flags: int) -> None:
    null = os.open(os.devnull, flags)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    else:
        os.set_inheritable(descriptor, True)
