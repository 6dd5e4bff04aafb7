"""Unpacking an archive from elsewhere, which may be hostile: plain files only, in one folder, of a size that fits.

Whatever `tarfile`'s "data" filter lets pass, links are refused too: no dataset here holds any.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from suite.core.listing import is_empty, take_along
from suite.errors import FetchError
from suite.fetch.remote import CHUNK, bar, human
from suite.fetch.space import full, make_folder, require_space

MOST_RATIO = 50
MOST_SMALL = 10_000_000
"""Bytes above which an archive that unpacks to more than `MOST_RATIO` times its size is a bomb."""

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, BadGzipFile, zlib.error, EOFError, ValueError, RuntimeError)
"""Errors of the standard library at bytes that are no archive (an encrypted or unknown one raises RuntimeError)."""


def unpack(archive: Path, inside: str, target: Path, check: Callable[[Path], None]) -> None:
    """Unpack one folder of an archive, whole or not at all.

    Args:
        archive: a .zip, .tar, .tar.gz or .tgz file.
        inside: the folder in it, e.g. "VOCdevkit/VOC2010"; what else it holds is left out.
        target: the folder to be made.
        check: is given the unpacked folder, and raises if it is not what it should be.

    Raises:
        FetchError: the archive is damaged or hostile, lacks the folder, or `target` is there already.
        StorageError: the disk is or would be full.
    """
    with unpacking_folder(archive, target) as folder:
        _extract(archive, inside, folder)
        check(folder)


@contextlib.contextmanager
def unpacking_folder(archive: Path, target: Path) -> Iterator[Path]:
    """Yield a folder to unpack `archive` into, which becomes `target` if all goes well and vanishes otherwise.

    So an interruption leaves nothing under the final name.

    Raises:
        FetchError: the archive turned out damaged, or `target` is there already.
        StorageError: the disk is full.
    """
    if target.is_file() or (target.is_dir() and not is_empty(target)):
        raise FetchError(f"{target}: expected nothing there, to unpack {archive.name} to; move it away and run again")
    make_folder(target.parent)
    for leftover in target.parent.glob(f".unpacking-{target.name}-*"):  # by a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    folder = target.with_name(f".unpacking-{target.name}-{secrets.token_hex(6)}")
    folder.mkdir()
    try:
        yield folder
        os.sync()  # else a power cut may leave empty files under the final name
        take_along(target, folder)
        folder.rename(target)
    except _DAMAGED as error:
        raise refused(archive, f"it cannot be unpacked ({_phrase(error)})") from error
    except OSError as error:
        raise full(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Member:
    """An entry of an archive; `kind` is "file", "folder" or what it is instead."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def _extract(archive: Path, inside: str, folder: Path) -> None:
    """Write the files below `inside` into `folder`."""
    size = archive.stat().st_size
    limit, total, prefix = max(MOST_RATIO * size, MOST_SMALL), 0, PurePosixPath(inside)
    has_files = False
    with archive.open("rb") as raw, bar(f"unpacking {archive.name}", size) as progress:
        for member in members(raw):
            path = safe(archive, member)
            total += member.size
            if total > limit:
                raise refused(archive, f"it unpacks to more than {human(limit)}: a bomb")
            if member.kind == "file" and path.is_relative_to(prefix):
                require_space(folder, member.size, f"unpacking {archive.name}")
                write(archive, member, folder / path.relative_to(prefix))
                has_files = True
            progress.update(max(raw.tell() - progress.n, 0))
    if not has_files:
        raise refused(archive, f"expected the folder {inside} in it, got none")


def members(raw: BinaryIO) -> Iterator[Member]:
    """Yield the entries of a zip or tar file, in its order.

    Raises:
        tarfile.TarError, zipfile.BadZipFile, ...: it is damaged; `unpacking_folder` says so.
    """
    if zipfile.is_zipfile(raw):
        with zipfile.ZipFile(raw) as opened:
            yield from (_of_zip(opened, info) for info in opened.infolist())
        return
    raw.seek(0)
    with tarfile.open(fileobj=raw, mode="r:*") as tar:
        yield from (of_tar(tar, member) for member in tar)
        stream: Any = tar.fileobj
        while stream.read(CHUNK):  # up to the checksum of a .gz, which lies behind the end of the archive
            pass


def _of_zip(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    if not info.filename or "\0" in info.orig_filename:  # the library cuts a name there: the file would be another's
        raise zipfile.BadZipFile(f"a file in it is called {info.orig_filename!r}")
    mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
    kind = "folder" if info.is_dir() else "file" if mode in {0, stat.S_IFREG} else "a link or device"
    return Member(info.filename.rstrip("/"), kind, info.file_size, lambda: opened.open(info))


def of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Member:
    """Return an entry of a tar file."""
    kind = "folder" if member.isdir() else "file" if member.isreg() else "a link or device"

    def opened() -> IO[bytes]:
        stream = tar.extractfile(member)
        if stream is None:
            raise tarfile.ReadError(f"{member.name} is no file")
        return stream

    return Member(member.name, kind, member.size, opened)


def safe(archive: Path, member: Member) -> PurePosixPath:
    """Return the path of an entry, which stays inside wherever it is unpacked.

    Raises:
        FetchError: it would not, or the entry is no plain file or folder.
    """
    path = PurePosixPath(member.name)
    if member.kind not in {"file", "folder"}:
        raise refused(archive, f"{member.name!r} in it is {member.kind}: expected files and folders")
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise refused(archive, f"{member.name!r} in it leads out of its folder")
    return path


def write(archive: Path, member: Member, path: Path) -> None:
    """Write an entry to a file that is not there yet.

    Raises:
        FetchError: it is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, CHUNK)
    except (FileExistsError, NotADirectoryError) as error:
        raise refused(archive, f"{member.name!r} is in it twice") from error


def _phrase(error: BaseException) -> str:
    """Return the first line of an error; tarfile lists on others all that it tried."""
    return str(error).partition("\n")[0].rstrip(":") or type(error).__name__


def refused(archive: Path, reason: str) -> FetchError:
    """Return the error for an archive that cannot be used."""
    return FetchError(f"{archive}: {reason}; move it away and fetch it again")
