"""Folders of the machine, in which processes of different runs meet; they are emptied when it is started anew."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

HOMES = (Path("/run/lock"), Path("/dev/shm"), Path("/tmp"))
"""Folders that all users of a machine share; not TMPDIR, which schedulers set anew for each job."""


def for_everybody(name: str) -> Path:
    """Return a folder in which every user may make and lock files; made where it is missing and can be."""
    folder = _home() / name
    with suppress(OSError):  # it is there, or whatever is done in it will say what is wrong
        folder.mkdir()
        folder.chmod(0o1777)  # whatever the umask
    return folder


def for_this_user(name: str) -> Path | None:
    """Return a folder that nobody else can write to; None where it cannot be had or is another user's."""
    folder = _home() / f"{name}-{os.getuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        status = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if is_own and os.access(folder, os.W_OK) else None


def _home() -> Path:
    return next(filter(_is_everybodys, HOMES), Path(tempfile.gettempdir()))


def _is_everybodys(folder: Path) -> bool:
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and mode & 0o007 == 0o007 and os.access(folder, os.W_OK)  # not where it is read-only
