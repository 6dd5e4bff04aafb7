"""Folders of the host that a verb sees in the container, and where.

A path means the same inside and outside: an absolute one is mounted at itself, a relative one below the container's
working folder. So a request is passed on word for word, and a run records the same command under either runtime.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from suite.errors import ContainerError
from suite.specs import HF, parse

INSIDE = PurePosixPath("/suite")
SYSTEM = ("bin", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "suite", "sys", "tmp", "usr", "venv")
TAKEN = frozenset({"/", "/suite/suite", "/suite/expected", *(f"/{name}" for name in SYSTEM)})
"""Folders of the container that a mount would hide."""
OF_THE_IMAGE = frozenset({"bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr", "venv"})
"""Top folders with the image's own Python and packages: the host's do not belong among them."""
USER = (10001, 10001)
"""User of the image; root's containers run as it too."""


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host.

    Attributes:
        source: on the host, links resolved.
        target: in the container.
        imported: Python looks for modules there.
    """

    source: Path
    target: PurePosixPath
    writable: bool = False
    imported: bool = False


def mount(path: Path, *, writable: bool = False) -> Mount:
    """Return the mount of a path as the user wrote it.

    Raises:
        ContainerError: it would hide what the container needs, e.g. `--run .`.
    """
    target = PurePosixPath(os.path.normpath(INSIDE / path))
    if str(target) in TAKEN:
        raise ContainerError(
            f"{path}: expected a folder of its own: mounted at {target}, it would hide the container's; name another"
        )
    return Mount(path.resolve(), target, writable)


def readable(path: Path) -> Iterator[Mount]:
    """Yield a path to read from, and where links in its two upper levels lead: a dataset often lies on another disk.

    A path that does not exist is left out: what needs it says so.
    """
    if not path.exists():
        return
    top_mount = mount(path)
    yield top_mount
    links = (entry for pattern in ("*", "*/*") for entry in top_mount.source.glob(pattern) if entry.is_symlink())
    for link in links:
        if link.exists() and not link.resolve().is_relative_to(top_mount.source):
            link_folder = top_mount.target / link.parent.relative_to(top_mount.source).as_posix()
            yield Mount(link.resolve(), PurePosixPath(os.path.normpath(link_folder / link.readlink())))


def encoder_files(specs: Iterable[str]) -> Iterator[Mount]:
    """Yield what candidates are loaded from: the file of `dino@file.pth`, a folder, a module, what options name.

    Raises:
        ContainerError: a name of the hub's cache, which the container does not see.
    """
    has_factory = False
    for spec in specs:
        parts = parse(spec)
        name, file = parts.name, parts.file
        for path in (file, *parts.options.values()):
            yield from readable(Path(path)) if path else ()
        if file:
            continue
        if name.startswith(HF):
            folder = Path(name.removeprefix(HF))
            if not folder.is_dir():
                raise ContainerError(
                    f"encoder {spec!r}: expected a folder: the container does not see the local cache of the hub; name "
                    "the folder, hf:FOLDER, or pass RUNTIME=venv"
                )
            yield from readable(folder)
        if parts.is_factory:
            has_factory = True
            top = name.partition(":")[0].partition(".")[0]
            yield from (m for path in (Path(top), Path(f"{top}.py")) for m in readable(path))
    if has_factory:
        yield from _python_path()


def _python_path() -> Iterator[Mount]:
    """Yield the caller's PYTHONPATH: what a user's module is, and imports, may lie in any folder of it.

    Left out are the current folder, for which the image's source stands, and the host's own packages.
    """
    for word in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        target = PurePosixPath(os.path.normpath(INSIDE / word))
        if str(target) not in TAKEN and target.parts[1] not in OF_THE_IMAGE:
            for found in readable(Path(word)):
                if found.target.parts[1] not in OF_THE_IMAGE:  # a virtual environment links there
                    yield replace(found, imported=found.target == target)


def python_path(mounts: Iterable[Mount]) -> dict[str, str]:
    """Return where Python looks for modules in the container, besides its packages: the source, then the caller's."""
    folders = [str(entry.target) for entry in mounts if entry.imported]
    return {"PYTHONPATH": os.pathsep.join([str(INSIDE), *folders])} if folders else {}


def folders(
    *,
    data: Path,
    draws: bool,
    weights: Path | None,
    cache: Path,
    run: Path,
    encoders: Sequence[str] = (),
    accepted: Path | None = None,
) -> list[Mount]:
    """Return the mounts of a verb that measures.

    Args:
        data: the datasets.
        draws: the suite draws them itself, so it must be able to write there.
        weights: the checkpoints; None for the embedded ones, which are in the image.
        cache: features.
        run: the run, or the folder of all runs.
        encoders: specs as the user wrote them.
        accepted: values outside the checkout that the run is held against.
    """
    mounts = [mount(run, writable=True), mount(cache, writable=True)]
    mounts += [mount(data, writable=True)] if draws else readable(data)
    for folder in (weights, accepted):
        mounts += [] if folder is None else readable(folder)
    mounts += encoder_files(encoders)
    by_target: dict[PurePosixPath, Mount] = {}
    for entry in mounts:
        other = by_target.get(entry.target)
        if other is None:
            by_target[entry.target] = entry
        else:  # named twice, it is good for both
            writable, imported = entry.writable or other.writable, entry.imported or other.imported
            by_target[entry.target] = replace(entry, writable=writable, imported=imported)
    return list(by_target.values())


def caller() -> tuple[int, int]:
    """Return the user the container runs as, so that what it writes belongs to the caller; never root."""
    uid, gid = os.getuid(), os.getgid()
    if uid:
        return uid, gid
    sudoer = [os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    numbers = [int(text) for text in sudoer if re.fullmatch(r"[0-9]{1,10}", text)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 and all(numbers) else USER


def make_writable(mounts: Iterable[Mount], user: tuple[int, int]) -> None:
    """Make the folders that will be written to, and check that the container's user may.

    Raises:
        ContainerError: it may not.
    """
    for entry in mounts:
        if not entry.writable:
            continue
        try:
            if not entry.source.exists():
                entry.source.mkdir(parents=True)
                if os.getuid() == 0:
                    os.chown(entry.source, *user)
            if not entry.source.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "it is a file")
            closed = next((path for path in _upper(entry.source) if not _may_write(path, user)), None)
        except OSError as error:
            raise ContainerError(f"{entry.source}: expected a folder to write to: {error.strerror or error}") from error
        if closed is not None:
            raise ContainerError(
                f"{closed}: user {user[0]} of the container may not write there: run as the owner, "
                f"chown -R {user[0]}:{user[1]} {entry.source}, or pass RUNTIME=venv"
            )


def _upper(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (entry for entry in folder.iterdir() if entry.is_dir())


def _may_write(path: Path, user: tuple[int, int]) -> bool:
    status = path.stat()
    bits = 0o700 if status.st_uid == user[0] else 0o070 if status.st_gid == user[1] else 0o007
    needed = 0o333 & bits
    return status.st_mode & needed == needed
