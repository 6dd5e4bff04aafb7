"""An archive is unpacked whole into its folder, or leaves nothing anywhere."""

import errno
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.errors import FetchError, StorageError
from suite.fetch import archives
from suite.fetch.archives import unpack
from tests.support.archives import write_tar, write_zip

FILES = {"top/a.txt": b"one", "top/deep/er/b.bin": bytes(range(256)) * 40, "other/c": b"left out"}


WRITERS = {"x.tar": write_tar, "x.tgz": write_tar, "x.zip": write_zip}


each_format = pytest.mark.parametrize("name", WRITERS)


def accept(_: Path) -> None:
    """A check that everything passes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def refused(archive: Path, folder: Path, inside: str = "top") -> str:
    """The error, after which nothing is left."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(FetchError) as caught:
        unpack(archive, inside, folder / "out" / "target", accept)
    (folder / "out").rmdir()  # so: empty
    assert sorted(folder.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@each_format
def test_one_folder_of_it_comes_out_as_plain_files(folder: Path, name: str) -> None:
    archive = WRITERS[name](folder / "in" / name, FILES)
    unpack(archive, "top", folder / "out" / "target", accept)
    files = {
        path.relative_to(folder / "out").as_posix(): path.read_bytes()
        for path in (folder / "out").rglob("*")
        if path.is_file()
    }
    assert files == {"target/a.txt": FILES["top/a.txt"], "target/deep/er/b.bin": FILES["top/deep/er/b.bin"]}
    assert not (folder / "out/target/a.txt").stat().st_mode & 0o7111  # no set-uid bits, nothing executable


def test_names_that_start_with_a_dot_slash(folder: Path) -> None:
    archive = write_tar(folder / "in/x.tar", {f"./{name}": content for name, content in FILES.items()})
    unpack(archive, "top", folder / "target", accept)
    assert (folder / "target/a.txt").read_bytes() == b"one"


@each_format
@pytest.mark.parametrize(
    "path", ["../evil", "top/../../evil", "/tmp/evil", "top/..", "top\\..\\evil"], ids=lambda path: path.strip("/")
)
def test_a_path_that_leads_out(folder: Path, name: str, path: str) -> None:
    archive = WRITERS[name](folder / "in" / name, {**FILES, path: b"evil"})
    assert f"{path!r} in it leads out of its folder; move it away and fetch it again" in refused(archive, folder)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=bytes.decode
)
@pytest.mark.parametrize("target", ["/etc", "a.txt"])
def test_links_and_devices_in_a_tar(folder: Path, kind: bytes, target: str) -> None:
    info = tarfile.TarInfo("top/link")
    info.type, info.linkname = kind, target
    archive = write_tar(folder / "in/x.tar", FILES, info)
    assert "'top/link' in it is a link or device" in refused(archive, folder)


def test_a_link_in_a_zip(folder: Path) -> None:
    info = zipfile.ZipInfo("top/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = write_zip(folder / "in/x.zip", FILES, (info, b"/etc/passwd"))
    assert "'top/link' in it is a link or device" in refused(archive, folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("listed", "shown"), [(b"top\0a.txt", "top\\x00a.txt"), (b"\0op/a.txt", "\\x00op/a.txt")])
def test_a_zip_that_lists_a_name_with_a_zero_byte(folder: Path, listed: bytes, shown: str) -> None:
    """The library cuts it there: the file would be unpacked under another name, be a folder, or end in a traceback."""
    archive = write_zip(folder / "in" / "x.zip", FILES)
    head, _, tail = archive.read_bytes().rpartition(b"top/a.txt")
    archive.write_bytes(head + listed + tail)
    assert refused(archive, folder) == (
        f"{archive}: it cannot be unpacked (a file in it is called '{shown}'); move it away and fetch it again"
    )


@each_format
def test_a_name_that_comes_twice(folder: Path, name: str) -> None:
    other = {"top/a.txt/below": b"a file as folder"}
    archive = WRITERS[name](folder / "in" / name, {**FILES, **other})
    assert "'top/a.txt/below' is in it twice" in refused(archive, folder)
    if name == "x.zip":
        write_zip(archive, FILES, (zipfile.ZipInfo("top/a.txt"), b"another"))
    else:
        info = tarfile.TarInfo("top/./a.txt")
        write_tar(archive, FILES, info)
    assert "a.txt' is in it twice" in refused(archive, folder)


@pytest.mark.parametrize("name", ["x.tgz", "x.zip"])
def test_a_bomb_is_refused_before_it_goes_off(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[str]()
    monkeypatch.setattr(archives, "write", lambda _archive, member, _path: written.append(member.name))
    archive = WRITERS[name](folder / "in" / name, {f"top/{i}": bytes(4_000_000) for i in range(4)})
    assert "it unpacks to more than 10 MB: a bomb" in refused(archive, folder)
    assert written == ["top/0", "top/1"]


def test_a_member_larger_than_the_zip_says(folder: Path) -> None:
    archive = write_zip(folder / "in/x.zip", {"top/a": b"x" * 5000})
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02")  # the central directory says 5000 at +24
    assert content[at + 24 : at + 28] == (5000).to_bytes(4, "little")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    archive.write_bytes(content)
    assert "cannot be unpacked (" in refused(archive, folder)


@each_format
@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.7])
def test_a_truncated_archive(folder: Path, name: str, kept: float) -> None:
    archive = WRITERS[name](folder / "in" / name, {**FILES, "top/noise": os.urandom(50_000)})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    message = refused(archive, folder)
    assert "cannot be unpacked (" in message
    assert "move it away and fetch it again" in message


@pytest.mark.parametrize("name", ["x.tgz", "x.zip"])
def test_a_flipped_bit(folder: Path, name: str) -> None:
    archive = WRITERS[name](folder / "in" / name, {"top/noise": os.urandom(50_000)})
    content = bytearray(archive.read_bytes())
    content[25_000] ^= 1
    archive.write_bytes(content)
    assert "cannot be unpacked (" in refused(archive, folder)


@each_format
def test_an_archive_of_something_else(folder: Path, name: str) -> None:
    archive = WRITERS[name](folder / "in" / name, {"else/where": b""})
    assert "expected the folder top in it, got none" in refused(archive, folder)


def test_what_fails_the_check_is_not_put_in_place(folder: Path) -> None:
    def check(unpacked: Path) -> None:
        assert (unpacked / "a.txt").is_file()
        raise FetchError("too few")

    with pytest.raises(FetchError, match="too few"):
        unpack(write_tar(folder / "in/x.tar", FILES), "top", folder / "out", check)
    assert [path.name for path in folder.iterdir()] == ["in"]


def test_what_lies_there_is_never_overwritten(folder: Path) -> None:
    (folder / "target").mkdir()
    (folder / "target/mine").touch()
    with pytest.raises(FetchError, match=r"expected nothing there, to unpack x.tar to; move it away and run again"):
        unpack(write_tar(folder / "in/x.tar", FILES), "top", folder / "target", accept)
    assert [path.name for path in (folder / "target").iterdir()] == ["mine"]


def test_an_interrupted_run_leaves_nothing_and_a_killed_one_is_tidied_up(folder: Path) -> None:
    archive = write_tar(folder / "in/x.tar", FILES)

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, "top", folder / "out/target", interrupt)
    assert list((folder / "out").iterdir()) == []
    (folder / "out/.unpacking-target-killed/half").mkdir(parents=True)
    unpack(archive, "top", folder / "out/target", accept)
    assert [path.name for path in (folder / "out").iterdir()] == ["target"]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@each_format
@pytest.mark.parametrize("prepare", ["usage", "write"])
def test_a_full_disk(folder: Path, name: str, prepare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = WRITERS[name](folder / "in" / name, FILES)
    usage = shutil.disk_usage("/")
    faults: dict[str, Callable[[], None]] = {
        "usage": lambda: monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0)),
        "write": lambda: monkeypatch.setattr(shutil, "copyfileobj", full),
    }
    faults[prepare]()
    with pytest.raises(StorageError, match=r"free space"):
        unpack(archive, "top", folder / "out/target", accept)
    assert list((folder / "out").iterdir()) == []
