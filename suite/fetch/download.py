"""Bringing one file: resumed where it broke off, checked, and only then given its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from suite.errors import FetchError
from suite.fetch.http import Answer, TransientError, ask, require_web
from suite.fetch.lock import alone
from suite.fetch.part import Part
from suite.fetch.remote import Remote, bar, check, compare, human
from suite.fetch.space import full, make_folder, require_space

ATTEMPTS = 6
"""Failures in a row, none of which brought a new byte, after which to give up: half a minute with the waits."""
TIMEOUT = 60.0
_SLACK = 4
"""Times its rough size that a file may be large."""


def download(
    remote: Remote,
    folder: Path,
    *,
    pin: str = "",
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Bring a file into a folder, unless it is there; either way check it.

    What has arrived lies in `<name>.part` until it is whole and right; `<name>.part.json` says of which version it is.

    Args:
        remote: the file.
        folder: where to; created if need be.
        pin: SHA-256 it had when first seen, or "".
        timeout: seconds without a byte after which to connect again.
        sleep: waits between attempts.

    Returns:
        Its SHA-256 (hex).

    Raises:
        FetchError: it cannot be had, or is not what was published.
        StorageError: the folder cannot be written, or the disk is or would be full.
    """
    require_web(remote.url)
    target = folder / remote.name
    if target.is_file():
        return check(target, remote, pin)
    make_folder(folder)
    with alone(folder, remote.name):
        if target.is_file():  # brought by another process, meanwhile
            return check(target, remote, pin)
        part = Part(folder / f"{remote.name}.part", folder / f"{remote.name}.part.json", remote)
        pieced = _bring(remote, part, timeout, sleep)
        sha256, fault = compare(part.path, remote, pin)
        if fault and pieced:  # the pieces may not belong together: then once more from the start
            part.drop()
            _bring(remote, part, timeout, sleep)
            sha256, fault = compare(part.path, remote, pin)
        if fault:
            part.drop()
            raise FetchError(f"{remote.url}: {fault}; what arrived was thrown away: the file there is another one now")
        part.finish(target)
        return sha256


def _bring(remote: Remote, part: Part, timeout: float, sleep: Callable[[float], None]) -> bool:
    """Fill `part` up, however often the connection breaks, as long as it gets on.

    Returns:
        Whether it was put together from what came at several times.
    """
    failures, furthest = 0, part.size()
    while True:
        try:
            return _attempt(remote, part, timeout)
        except TransientError as error:
            failures = 1 if part.size() > furthest else failures + 1
            furthest = max(furthest, part.size())
            if failures >= ATTEMPTS:
                raise FetchError(
                    f"{remote.url}: gave up after {ATTEMPTS} attempts: {error}; {human(part.size())} are kept in "
                    f"{part.path}: run the same command again to go on"
                ) from error
            pause = error.wait if error.wait is not None else float(2 ** (failures - 1))
            print(f"{remote.name}: {error}; trying again in {pause:.0f} s", file=sys.stderr)
            sleep(pause)


def _attempt(remote: Remote, part: Part, timeout: float) -> bool:
    """Ask for what is missing, and add what comes.

    Returns:
        Whether something was there already.

    Raises:
        TransientError: it broke off; what came is kept.
    """
    start, validator, total = part.resume_point()
    if start and start == total:
        return True
    with ask(remote.url, start=start, validator=validator, timeout=timeout) as answer:
        goes_on = answer.start == start and answer.validator in {validator, ""} and (answer.total or start) >= start
        if answer.start and not goes_on:
            part.drop()
            raise TransientError("the file there has changed")
        _expect(remote, answer, part.path.parent)
        if answer.start == 0:  # also where a server knows no ranges, or has another version now
            part.begin(answer.validator, answer.total)
        try:
            _append(remote, part, answer)
        except FetchError:
            part.drop()
            raise
        full_size = answer.total if answer.total is not None else remote.size if remote.exact else None
        if full_size is not None and part.size() < full_size:
            raise TransientError(f"the connection ends at {part.size():,} of {full_size:,} bytes")
        return answer.start > 0


def _expect(remote: Remote, answer: Answer, folder: Path) -> None:
    """Refuse before the first byte what is of another size, or does not fit on the disk."""
    if remote.exact and answer.total not in {remote.size, None}:
        raise FetchError(
            f"{remote.url}: expected {remote.size:,} bytes as published, the server offers {answer.total:,}: "
            "the file there is another one now"
        )
    size = answer.total if answer.total is not None else remote.size
    if size is not None:
        require_space(folder, size - answer.start, remote.name)


def _append(remote: Remote, part: Part, answer: Answer) -> None:
    """Write what comes.

    Raises:
        FetchError: it is a web page, or more than was announced.
        StorageError: the disk is full; what came before is kept.
    """
    size = part.size()
    limit = answer.total or (None if remote.size is None else remote.size * (1 if remote.exact else _SLACK))
    try:
        with part.path.open("ab") as file, bar(remote.name, answer.total, start=size) as progress:
            for chunk in answer.chunks():
                _accept(remote, chunk, size, limit)
                file.write(chunk)
                size += len(chunk)
                progress.update(len(chunk))
    except OSError as error:
        raise full(part.path, error) from error


def _accept(remote: Remote, chunk: bytes, size: int, limit: int | None) -> None:
    """Stop at once where something else arrives than the file."""
    if size == 0 and chunk.lstrip()[:1] == b"<":
        raise FetchError(f"{remote.url}: expected a file, got a web page (a login, a question?); open it in a browser")
    if limit is not None and size + len(chunk) > limit:
        raise FetchError(f"{remote.url}: expected {limit:,} bytes at most, more arrive: the file is another one now")
