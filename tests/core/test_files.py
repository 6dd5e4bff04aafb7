"""Files that are written whole have the mode of any other file: what the umask leaves."""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suite.core.files import write_atomically, write_json
from suite.errors import StorageError
from suite.run.attempts.lines import FILE, append


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the umask of this process for a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):o}"


@pytest.mark.parametrize(("mask", "left"), [(0o022, "644"), (0o002, "664"), (0o027, "640"), (0o077, "600")])
def test_a_file_follows_the_umask(mask: int, left: str, umask: Callable[[int], int], tmp_path: Path) -> None:
    umask(mask)
    write_atomically(tmp_path / "a", b"x")
    write_json(tmp_path / "a", {})
    append(tmp_path, {"attempt": "x"})
    assert {name: mode(tmp_path / name) for name in ("a", FILE)} == {"a": left, FILE: left}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", FILE]


def test_an_unpacked_folder_follows_the_umask(umask: Callable[[int], int], tmp_path: Path) -> None:
    from suite.fetch.archives import unpack

    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "file", "inside/file")
    umask(0o002)
    unpack(tmp_path / "a.tar", "inside", tmp_path / "target", lambda _folder: None)
    assert mode(tmp_path / "target") == "775"


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    def fail(_file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device"):
        write_atomically(tmp_path / "a", fail)
    assert list(tmp_path.iterdir()) == []
