"""A program of the suite from its start to its exit code, whatever becomes of its work and of its streams."""

from __future__ import annotations

import codecs
import locale
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from suite.core.faults import report_error
from suite.core.streams import Streams, guard_streams
from suite.errors import StorageError

_CLOSED = "closed: what is to be said has no place to go: redirect it to a file or to /dev/null"


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run a program's `main` and leave with its exit code.

    A reader that goes away (`| head`) changes nothing: the rest is done, and the code is that of the work. Standard
    output that cannot be written for another reason makes 0, 1 and 2 a 3, since what was to be read is not there;
    standard error that cannot be written changes nothing, as nobody can be told. An error that `main` lets through
    is one line and a code of `suite.core.faults`.

    Args:
        main: returns the exit code, None for 0; may import what it needs, so that a package that lacks is said too.
    """
    try:
        _read_files_as_utf8()
        streams, is_closed = guard_streams()
        code = _refused(_CLOSED) if is_closed else _code(main)
        code = _after(streams, code)
    except BaseException as error:  # a signal between two lines of this module, for one
        code = report_error(error)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to be kept: no traceback while Python ends
    sys.exit(code)


def _read_files_as_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale is another: in it every file of the suite is written.

    The terminal keeps its encoding.
    """
    if sys.flags.utf8_mode or codecs.lookup(locale.getpreferredencoding(False)).name == "utf-8":
        return
    encoding = {"PYTHONIOENCODING": sys.stdout.encoding} if sys.stdout is not None else {}
    with suppress(OSError):  # then the run goes on as it is
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | encoding | {"PYTHONUTF8": "1"})


def _code(main: Callable[[], int | None]) -> int:
    try:
        return main() or 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):  # of argparse: --help, or a wrong command line
            return end.code or 0
        return report_error(end)
    except BaseException as error:
        return report_error(error)


def _after(streams: Streams, code: int) -> int:
    sys.stdout.flush()
    problem = streams.output_problem()
    if problem is not None and code <= StorageError.exit_code:
        code = _refused(f"cannot be written: {problem}; what was written to files is whole")
    sys.stderr.flush()
    return code


def _refused(problem: str) -> int:
    return report_error(StorageError(f"standard output: {problem}"))
