"""An attempt while it lasts: who made it, from which code, in which environment, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from suite.core.environment import code_state
from suite.core.faults import description, exit_code_of
from suite.core.numerics import digest_of_environment, environment_of
from suite.core.signals import INTERRUPTED, TERMINATED, terminated
from suite.errors import StorageError, SuiteError
from suite.run.attempts.lines import append
from suite.run.request import Request

SCHEMA = 1


@dataclass
class Attempt:
    """An attempt that has begun.

    Attributes:
        run: the folder in which it is noted.
        name: tells its lines from those of others.
        measured: `experiment/dataset/method` of what it measured, as far as is known.
        reused: of what it took from earlier attempts.
        lost: of what was asked for and has no result.
    """

    run: Path
    name: str
    measured: Collection[str] = ()
    reused: Collection[str] = ()
    lost: Collection[str] = ()

    def end(self, outcome: str, *, exit_code: int, verdict: str | None = None, reason: str | None = None) -> None:
        """Note how it ended; of several ends the last one holds.

        Args:
            outcome: `finished`, `interrupted`, `terminated` or `failed`.
            exit_code: of the command.
            verdict: of the run as it is now; None where it was not judged.
            reason: why it failed.

        Raises:
            StorageError: the line cannot be written.
        """
        tally = {name: getattr(self, name) for name in ("measured", "reused", "lost")}
        append(
            self.run,
            {
                "attempt": self.name,
                "event": "end",
                "time": _now(),
                "outcome": outcome,
                "exit_code": exit_code,
                "verdict": verdict,
                "reason": reason,
                **{name: {"count": len(names), "names": sorted(names)} for name, names in tally.items()},
            },
        )


@contextmanager
def attempt(
    request: Request,
    *,
    verb: str = "reproduce",
    reason: str | None = None,
    environment: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Iterator[Attempt]:
    """Note that an attempt begins, and, where the block does not say so itself, how it ends.

    Args:
        request: what is asked for.
        verb: that measures: `reproduce`, `record`, `pytest`.
        reason: of the user, where the verb asks for one.
        environment: that it is made in; None for this process's.
        folder: where it is noted; None for the run folder.

    Raises:
        StorageError: the run folder cannot be written.
    """
    attempt_log = begin(request, verb=verb, reason=reason, environment=environment, folder=folder)
    try:
        yield attempt_log
    except SuiteError as error:
        _fail(attempt_log, "failed", error.exit_code, " ".join(str(error).split()))
        raise
    except KeyboardInterrupt:
        _fail(attempt_log, *interruption())
        raise
    except BaseException as error:
        _fail(attempt_log, "failed", exit_code_of(error), description(error))
        raise


def begin(
    request: Request,
    *,
    verb: str,
    reason: str | None = None,
    environment: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Attempt:
    """Write the first line of an attempt; see `attempt`."""
    attempt_log, code = Attempt(folder or request.run, secrets.token_hex(4)), code_state()
    append(
        attempt_log.run,
        {
            "schema": SCHEMA,
            "attempt": attempt_log.name,
            "event": "begin",
            "time": _now(),
            "verb": verb,
            "command": request.record()["command"],
            "reason": reason,
            "code": {name: code[name] for name in ("suite", "commit", "dirty")},
            "environment": digest_of_environment(environment or environment_of(request.device)),
        },
    )
    return attempt_log


def interruption() -> tuple[str, int]:
    """Return outcome and exit code of what a signal ended."""
    return ("terminated", TERMINATED) if terminated() else ("interrupted", INTERRUPTED)


def _fail(attempt_log: Attempt, outcome: str, code: int, reason: str | None = None) -> None:
    with suppress(StorageError):  # the disk may be what failed; the first error is the one to tell
        attempt_log.end(outcome, exit_code=code, reason=reason)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
