"""A reader at damaged files: a value that an independent reading confirms, or one line that names the file."""

from __future__ import annotations

import faulthandler
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from suite.errors import SuiteError

CASES = int(os.environ.get("FUZZ_CASES", "60"))
"""Mutations of each kind of file; `make fuzz` asks for 2,000."""


def at_least(count: int) -> int:
    """Return the cases where each takes long: so many, or what `FUZZ_CASES` asks for."""
    return CASES if "FUZZ_CASES" in os.environ else count


LIMIT_S = 10.0
"""Processor seconds of a reader: on a busy machine the clock says little. One that waits ends all tests after 120 s."""
_CHILDREN = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "os.spawn")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_events: list[tuple[str, tuple[Any, ...]]] | None = None
_hooks: list[Callable[..., None]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is not None and (event == "open" or event in _CHILDREN):
        _events.append((event, arguments))


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Note what a block does that no reader may: start a process, leave a folder, write, warn, or take too long."""
    global _events  # noqa: PLW0603
    if not _hooks:
        _hooks.append(_hear)
        sys.addaudithook(_hear)
    misdeeds: list[str] = []
    start = time.process_time()
    faulthandler.dump_traceback_later(12 * LIMIT_S, exit=True, file=sys.__stderr__)  # no signal ends a loop in C
    with warnings.catch_warnings(record=True) as told:
        _events = []
        try:
            yield misdeeds
        finally:
            events, _events = _events, None
            faulthandler.cancel_dump_traceback_later()
    misdeeds += [f"{event} {arguments}" for event, arguments in events if event in _CHILDREN]
    misdeeds += [
        f"opens {arguments[0]!r}" for event, arguments in events if event == "open" and _strays(arguments, folder)
    ]
    misdeeds += [f"warns: {warning.message}" for warning in told]
    if (seconds := time.process_time() - start) > LIMIT_S:
        misdeeds.append(f"takes {seconds:.1f} s")


def _strays(arguments: tuple[Any, ...], folder: Path) -> bool:
    """Tell whether a file is opened that a reader of a folder has no business with."""
    name, _, flags = arguments
    if not isinstance(name, str | bytes):
        return False
    place = Path(os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(name))))  # noqa: PTH109, PTH118
    is_inside = place.is_relative_to(folder)
    is_near = place.is_relative_to(folder.parent) or place.is_relative_to("/etc")
    return not is_inside and (is_near or (bool(flags & _WRITING) and not place.is_relative_to("/dev")))


def hold(
    path: Path,
    contents: Iterable[bytes],
    read: Callable[[], Any],
    confirm: Callable[[Any, bytes], object],
    *,
    folder: Path | None = None,
    unlike: Callable[[], object] = lambda: None,
) -> int:
    """Give a reader every content of a file, and put the file back; return how many it read.

    Args:
        path: the file.
        contents: what is written there in turn.
        read: reads it.
        confirm: is given the value and the content; a text that it returns, or an error, is a fault.
        folder: that the reader must not leave, and which its refusal names; default: the file's.
        unlike: says after a refusal what is not as it was.
    """
    folder = folder or path.parent
    whole = path.read_bytes() if path.exists() else None
    faults: list[str] = []
    count = 0
    try:
        for number, content in enumerate(contents):
            path.write_bytes(content)
            value: Any = None
            with watched(folder) as misdeeds:
                refusal = _refusal(read, folder)
                if not isinstance(refusal, str):
                    value, refusal = refusal[0], None
            problems = [*misdeeds, *filter(None, [refusal or None])]
            if refusal is None:
                count += 1
                problems += filter(None, [_doubt(confirm, value, content)])
            else:
                problems += filter(None, [unlike()])  # type: ignore[list-item]
            faults += [f"{path.name}, case {number}: {fault}" for fault in problems]
    finally:
        if whole is not None:
            path.write_bytes(whole)
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:12])
    return count


def _refusal(read: Callable[[], Any], folder: Path) -> str | tuple[Any]:
    """Return the value, or what is wrong with the refusal: "" if it is as it should be."""
    try:
        return (read(),)
    except SuiteError as error:
        message = str(error)
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next:
            frame = frame.tb_next
        place = "" if frame is None else f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})"
        return f"{type(error).__name__}: {error}{place}"
    if not message.isprintable():
        return f"not one line that shows: {message!r}"
    return "" if str(folder) in message else f"names no file: {message}"


def _doubt(confirm: Callable[[Any, bytes], object], value: Any, content: bytes) -> str | None:
    try:
        answer = confirm(value, content)
    except Exception as error:
        return f"read, but an independent reading ends in {type(error).__name__}: {str(error)[:200]!r}"
    return None if answer is None else f"read, but {answer}"
