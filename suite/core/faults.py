"""What ends a program, as one line on standard error and an exit code: no error reaches Python's own exit code 1.

1 is a verdict, "deviates"; a fault of the suite is 4, and its traceback goes into a file.
"""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from suite.errors import SuiteError

FAULT = 4
"""Exit code of a fault of the suite: whatever ended it was not foreseen."""
FOLDER = "SUITE_FAULTS"
"""Environment variable: the folder that tracebacks go to first."""
_REFUSALS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EMFILE, errno.ENFILE, errno.ESTALE),
}
"""Errors of the file system that the user can act on, wherever they come from."""


def report_error(error: BaseException) -> int:
    """Print in one line on standard error what ended the program.

    Returns:
        The exit code: the error's own, 130 or 143 for a signal, 3 for a file that the system refuses or a package that
        is missing, 4 for anything else, whose traceback goes into a file that the line names.
    """
    try:
        line = _line(error)
    except Exception as failure:  # memory may be short
        names = f"{type(error).__name__}; its traceback cannot be written ({type(failure).__name__})"
        line = f"error: a fault of the suite: {names}"
    with suppress(Exception):
        print(line, file=sys.stderr, flush=True)
    return exit_code_of(error)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of what ended a program; see `report_error`."""
    if isinstance(error, SuiteError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        from suite.core.signals import INTERRUPTED, TERMINATED, terminated  # psutil may be what is missing

        return TERMINATED if terminated() else INTERRUPTED
    return SuiteError.exit_code if _missing_package(error) or _is_refusal(error) else FAULT


def description(error: BaseException) -> str:
    """Return `ValueError: text` in one line, whatever the error's own text does."""
    text = _text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException) -> str:
    if isinstance(error, SuiteError):
        return f"error: {_text(error)}"
    if isinstance(error, KeyboardInterrupt):
        return "\ninterrupted: what had finished is kept; run the same command again to go on"
    if package := _missing_package(error):
        return f"error: package {package}: not installed for {sys.executable}: make setup, or call .venv/bin/python"
    if isinstance(error, OSError) and _is_refusal(error):
        return f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}"
    return f"error: a fault of the suite: {description(error)}{_place(error)}; {_kept(error)}"


def _missing_package(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError) or not error.name or error.name.split(".")[0] == "suite":
        return None
    return error.name


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _REFUSALS


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # an error of a user's module may fail to say what it is
        return "its text cannot be read"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _kept(error: BaseException) -> str:
    """Write the traceback into a file, and say which; or why there is none."""
    lines = [f"{shlex.join(sys.orig_argv)}\nPython {platform.python_version()}, {platform.platform()}\n\n"]
    content = "".join([*lines, *traceback.format_exception(error)]).encode(errors="backslashreplace")
    problem = "no folder is writable"
    for folder in _folders():
        try:
            handle, name = tempfile.mkstemp(prefix="suite-fault-", suffix=".txt", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
            except OSError:
                Path(name).unlink()
                raise
        except OSError as refusal:
            problem = f"{folder}: {refusal.strerror or refusal}"
        else:
            return f"traceback in {name}"
    return f"its traceback cannot be written ({problem})"


def _folders() -> list[str]:
    """List where temporary files may go, as Python's `tempfile` does, which gives up if there is no place at all."""
    variables = [os.environ.get(name) for name in (FOLDER, "TMPDIR", "TEMP", "TMP")]
    try:
        here = str(Path.cwd())
    except OSError:  # it was removed
        here = None
    return [folder for folder in (*variables, "/tmp", "/var/tmp", here) if folder]
