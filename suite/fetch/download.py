"""Bringing one file: resumed where it broke off, checked, and only then given its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from suite.core.kinds import GLANCE, Kind, kind_of, kind_of_bytes
from suite.errors import FetchError
from suite.fetch.http import Answer, TransientError, ask, require_web
from suite.fetch.lock import alone
from suite.fetch.part import Part
from suite.fetch.remote import Opening, Remote, bar, check, compare, human
from suite.fetch.space import full, make_folder, require_space

ATTEMPTS = 6
"""Failures in a row, none of which brought a new byte, after which to give up: half a minute with the waits."""
TIMEOUT = 60.0
_SLACK = 4
"""Times its rough size that a file may be large, and part of it that it has at least."""


def download(
    remote: Remote,
    folder: Path,
    pin: str = "",
    opening: Opening | None = None,
    *,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Bring a file into a folder, unless it is there; either way check it.

    What has arrived lies in `<name>.part` until it is whole and right; `<name>.part.json` says of which version it is.
    What is whole, and neither refuted by what was published nor what the pin or the opening expects, is kept as
    `<name>.refused`: the pin or the suite may be wrong. Once it is right, the next call takes it.

    Args:
        remote: the file.
        folder: where to; created if need be.
        pin: SHA-256 it had when first seen, or "".
        opening: see `remote.compare`.
        timeout: seconds without a byte after which to connect again.
        sleep: waits between attempts.

    Returns:
        Its SHA-256 (hex).

    Raises:
        FetchError: it cannot be had, or is not what was published, pinned or to be opened.
        StorageError: the folder cannot be written, or the disk is or would be full.
    """
    require_web(remote.url)
    target, refused = folder / remote.name, folder / f"{remote.name}.refused"
    if target.is_file():
        return check(target, remote, pin, opening)
    make_folder(folder)
    with alone(folder, remote.name):
        if target.is_file():  # brought by another process, meanwhile
            return check(target, remote, pin, opening)
        if refused.is_file() and (comparison := compare(refused, remote, pin, opening)).holds:
            refused.replace(target)
            return comparison.sha256
        part = Part(folder / f"{remote.name}.part", folder / f"{remote.name}.part.json", remote)
        is_sure = _bring(remote, part, timeout, sleep)
        comparison = compare(part.path, remote, pin, opening)
        if not (comparison.holds or is_sure):  # pieces may not belong together, or some be missing: then once more
            part.drop()
            is_sure = _bring(remote, part, timeout, sleep)
            comparison = compare(part.path, remote, pin, opening)
        if comparison.holds:
            part.finish(target)
            refused.unlink(missing_ok=True)
            return comparison.sha256
        cut = "" if is_sure else "; it may have been cut off, or changed on its way: try again later"
        if comparison.refutation:
            part.drop()
            cause = cut or ": the file there is another one now"
            raise FetchError(f"{remote.url}: {comparison.refutation}; what arrived was thrown away{cause}")
        part.keep(refused)
        unpin = f": if it is right, remove the entry of {remote.name} in {folder / 'pins.toml'} and run again"
        raise FetchError(
            f"{remote.url}: {comparison.doubt}; what arrived is kept as {refused}{unpin if pin else ''}{cut}"
        )


def _bring(remote: Remote, part: Part, timeout: float, sleep: Callable[[float], None]) -> bool:
    """Fill `part` up, however often the connection breaks, as long as it gets on.

    Returns:
        Whether it surely is one version of the file, from end to end.
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
        Whether all of it came at once, and its length is known.

    Raises:
        FetchError: it is another file.
        TransientError: it broke off; what came is kept.
    """
    start, validator, total = part.resume_point()
    if start and start == total:
        return False
    with ask(remote.url, start=start, validator=validator, timeout=timeout) as answer:
        is_same = answer.validator in {validator, ""} and (total is None or answer.total in {total, None})
        if answer.start and not (answer.start == start and is_same and (answer.total is None or answer.total >= start)):
            part.drop()
            raise TransientError("the file there has changed")
        _expect(remote, answer, part.path.parent)
        full_size = answer.total if answer.total is not None else total if is_same else None
        if full_size is None and remote.exact:
            full_size = remote.size
        if answer.start == 0:  # also where a server knows no ranges, or has another version now
            part.begin(answer.validator, full_size)
        try:
            announced = max(full_size or 0, answer.end or 0)
            _append(remote, part, answer, announced)
            _require_end(part.size(), announced, is_known=answer.end is not None)
            _refuse_text(remote, kind_of(part.path))
            _require_size(remote, part.size(), TransientError if answer.end is None else FetchError)
        except FetchError:
            part.drop()
            raise
        return answer.start == 0 and full_size is not None


def _require_end(size: int, announced: int, *, is_known: bool) -> None:
    """Take what is shorter than announced as broken off, and nothing where the end was not known, too.

    Raises:
        TransientError: it is.
    """
    if size < announced:
        raise TransientError(f"the connection ends at {size:,} of {announced:,} bytes")
    if size == 0 and not is_known:
        raise TransientError("the connection ends before the first byte")


def _require_size(remote: Remote, size: int, fault: type[TransientError | FetchError]) -> None:
    """Refuse what is shorter by far than the file is known to be."""
    if remote.size is not None and size < remote.size // _SLACK:
        expected = human(remote.size, exact=remote.exact)
        raise fault(f"{remote.url}: expected {expected}, got {human(size)}: the file there is another one, or cut off")


def _expect(remote: Remote, answer: Answer, folder: Path) -> None:
    """Refuse before the first byte what is of another size, or does not fit on the disk."""
    if remote.exact and answer.total not in {remote.size, None}:
        raise FetchError(
            f"{remote.url}: expected {remote.size:,} bytes as published, the server offers {answer.total:,}: "
            "the file there is another one now"
        )
    if answer.total is not None and remote.size is not None and answer.total > _SLACK * remote.size:
        raise FetchError(
            f"{remote.url}: expected {human(remote.size, exact=False)}, the server offers {human(answer.total)}: "
            "the file there is another one now"
        )
    size = answer.total if answer.total is not None else remote.size
    if size is not None:
        require_space(folder, size - answer.start, remote.name)


def _append(remote: Remote, part: Part, answer: Answer, announced: int) -> None:
    """Write what comes, up to the bytes announced (0 where none are).

    Raises:
        FetchError: it is a page for people, or more than was announced.
        StorageError: the disk is full; what came before is kept.
    """
    size, start = part.size(), b""
    limit = announced or (None if remote.size is None else remote.size * (1 if remote.exact else _SLACK))
    try:
        with part.path.open("ab") as file, bar(remote.name, answer.total, start=size) as progress:
            for chunk in answer.chunks():
                if limit is not None and size + len(chunk) > limit:
                    raise FetchError(
                        f"{remote.url}: expected {limit:,} bytes at most, more arrive: the file is another one now"
                    )
                if size == len(start) < GLANCE:  # a page is told as soon as it can be
                    start += chunk[:GLANCE]
                    if len(start) >= GLANCE and not start.isspace():
                        _refuse_text(remote, kind_of_bytes(start))
                file.write(chunk)
                size += len(chunk)
                progress.update(len(chunk))
    except OSError as error:
        raise full(part.path, error) from error


def _refuse_text(remote: Remote, kind: Kind | None) -> None:
    """Refuse what a server sends to people in place of a file: a login, a question, a notice, an error, or nothing.

    Raises:
        FetchError: it is one.
    """
    if kind and kind.is_text:
        name = "nothing at all" if kind.is_empty else kind.name
        raise FetchError(f"{remote.url}: expected a file, got {name}; open it in a browser, or try again later")
