"""A lock says who holds it, ends with its process, and holds nobody up where a disk has none."""

import errno
import fcntl
import json
import os
import platform
import re
import shlex
import threading
from pathlib import Path

import pytest

from suite.core import locks
from suite.core.locks import HeldError, acquire, locked, waited_for
from suite.errors import StorageError
from tests.support.holders import LEAVES_A_CHILD, holding, kill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / ".lock"


def refused(path: Path, *, shared: bool = False) -> str:
    """Who holds a lock that another process asks for."""
    with pytest.raises(HeldError) as caught:
        acquire(path, shared=shared)
    return caught.value.holders


def test_whoever_asks_before_the_holder_has_noted_who_it_is_waits_for_the_note(path: Path) -> None:
    path.parent.mkdir()
    note = {"host": platform.node(), "process": os.getpid(), "since": "now", "command": "made up"}
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        late = threading.Timer(0.1, lambda: path.write_text(json.dumps(note) + "\n"))
        late.start()
        assert refused(path) == f"process {os.getpid()} on {platform.node()} since now (made up)"
        late.join()


def test_who_is_refused_is_told_host_process_moment_and_command(path: Path) -> None:
    with holding(path) as holder:
        assert re.fullmatch(
            rf"process {holder.pid} on {re.escape(platform.node())} since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 "
            rf"\({re.escape(shlex.quote(holder.args[0]))} -c .+\)",
            refused(path),
        )
    with locked(path):
        pass


def test_the_note_is_json_and_goes_with_its_holder(path: Path) -> None:
    with locked(path):
        assert json.loads(path.read_text()).keys() == {"host", "process", "since", "command"}
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert path.read_text() == ""


@pytest.mark.parametrize("more", ["pass", LEAVES_A_CHILD])
def test_a_killed_holder_holds_nothing_although_its_note_or_a_child_stays(path: Path, more: str) -> None:
    with holding(path, more=more) as holder:
        kill(holder)
        assert json.loads(path.read_text())["process"] == holder.pid
        with locked(path):
            assert json.loads(path.read_text())["process"] == os.getpid()


def test_those_that_share_hold_it_together_and_only_the_living_are_named(path: Path) -> None:
    with holding(path, shared=True) as first, holding(path, shared=True) as second, holding(path, shared=True) as third:
        with locked(path, shared=True):
            pass
        assert re.findall(r"process (\d+)", refused(path)) == [str(one.pid) for one in (first, second, third)]
        kill(first)
        second.communicate("", timeout=20)
        assert re.findall(r"process (\d+)", refused(path)) == [str(third.pid)]
    with holding(path) as alone:
        assert f"process {alone.pid} " in refused(path, shared=True)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EIO, errno.EACCES])
def test_a_disk_without_locks_is_one_warning_and_work_goes_on(
    path: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without)
    for _ in range(2):
        with locked(path), waited_for(path, "work"):
            pass
    assert capsys.readouterr().err == (
        f"warning: {path}: cannot be locked ({os.strerror(number)}): see to it yourself that no other process works "
        "there\n"
    )
    with pytest.raises(StorageError) as caught:
        acquire(path, required=True)
    assert str(caught.value) == f"{path}: cannot be locked: {os.strerror(number)}"


def test_a_disk_that_denies_access_to_what_another_holds_is_understood(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with holding(path) as holder:
        monkeypatch.setattr(fcntl, "flock", denied)
        assert f"process {holder.pid} " in refused(path)


def test_a_place_where_no_file_can_be_made_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with locked(tmp_path / "file" / ".lock"):
        pass
    assert "file/.lock: cannot be locked (File exists)" in capsys.readouterr().err


def test_a_link_is_not_followed(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine")
    path.parent.mkdir()
    path.symlink_to(tmp_path / "precious")
    with locked(path):
        assert (tmp_path / "precious").read_text() == "mine"
    assert "cannot be locked (Too many levels of symbolic links)" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_file_that_may_only_be_read_is_locked_too(path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with holding(path):
        pass
    to_open = os.open

    def open_for_reading(name: object, flags: int, *mode: int) -> int:
        if name == path and flags & os.O_RDWR:
            raise OSError(number, os.strerror(number))
        return to_open(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_for_reading)
    with holding(path) as holder:
        assert f"process {holder.pid} " in refused(path)
    with locked(path):
        assert refused(path, shared=True) == "another process"


def test_permissions_follow_the_umask_unless_everybody_is_to_lock(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        acquire(tmp_path / "ours").close()
        acquire(tmp_path / "everybody's", mode=0o666).close()
    finally:
        os.umask(umask)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("ours", "everybody's")]
    assert modes == [0o640, 0o666]


def test_a_file_removed_under_its_holder_is_made_anew(path: Path) -> None:
    with locked(path):
        path.unlink()
        with locked(path):
            assert "process" in refused(path)


def test_what_others_write_into_a_note_cannot_reach_the_terminal(path: Path) -> None:
    with holding(path) as holder:
        note = {"host": "other\x1b[2J\nhost", "process": holder.pid, "since": "now", "command": "x"}
        path.write_text("{}\n[]\n\xff\n" + json.dumps(note) + "\n")
        assert refused(path) == f"process {holder.pid} on other?[2J?host since now (x)"


def test_who_waits_says_so_once_and_goes_on(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with holding(path) as holder:
        text = refused(path)
        threading.Timer(4 * locks._LOOK_S, lambda: kill(holder)).start()
        with waited_for(path, "drawing"):
            assert holder.poll() is not None
    assert capsys.readouterr().err == f"drawing: {text} is at it; waiting\n"
