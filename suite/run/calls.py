"""A function called in a process of its own: what it returns, raises, says as it goes, and its death."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from suite.errors import SuiteError
from suite.run.processes import End, Job, Send, run_jobs

T = TypeVar("T")
_NEWS = "\0news"
"""First word of a message that the function has sent; its answer has none."""


class ProcessDiedError(SuiteError):
    """Work whose process died.

    Attributes:
        cause: a sentence; see `End.cause`.
    """

    exit_code = 2

    def __init__(self, work: str, cause: str) -> None:
        super().__init__(f"{work}: {cause}")
        self.cause = cause


def call(function: Callable[..., T], *arguments: object, hear: Callable[[Any], None] | None = None) -> T:
    """Call a function in a process of its own; what it writes to stdout and stderr comes out here at its end.

    Args:
        function: importable by its name.
        arguments: which must be picklable, as must be what it returns.
        hear: called with whatever the function passes to its keyword argument `tell`, when it does; None: it has none.

    Raises:
        SuiteError: as the function raised it.
        RuntimeError: anything else that it raised, as its traceback's text.
        ProcessDiedError: its process died.
    """
    answer = _Answer(hear)
    name = getattr(function, "func", function).__name__
    run_jobs([Job(name, (function, arguments, hear is not None))], _call, answer, processes=1)
    if answer.error is not None:
        raise answer.error
    return cast(T, answer.value)


def _call(send: Send, function: Callable[..., object], arguments: tuple[object, ...], tells: bool) -> None:
    options = {"tell": lambda news: send((_NEWS, news))} if tells else {}
    try:
        send((function(*arguments, **options), None))
    except SuiteError as error:
        send((None, error))
    except Exception:
        send((None, RuntimeError(traceback.format_exc())))


@dataclass
class _Answer:
    """Listener of one call."""

    hear: Callable[[Any], None] | None
    value: object = None
    error: Exception | None = None

    def wanted(self, _job: Job) -> bool:
        return True

    def message(self, _job: Job, message: Any) -> None:
        first, second = message
        if first == _NEWS and self.hear is not None:
            self.hear(second)
        else:
            self.value, self.error = message

    def ended(self, job: Job, end: End) -> Iterable[Job]:
        text = end.output.decode(errors="replace")
        if text:
            print(text, end="", file=sys.stderr)
        if not end.finished and self.error is None:
            self.error = ProcessDiedError(job.name.strip("_").replace("_", " "), end.cause)
        return ()
