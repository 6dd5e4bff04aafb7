"""The digest of a large set: taken by one process of a machine, read by the others, never one of other files."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.core.machine_folders import for_this_user
from suite.core.paths import ROOT
from suite.datasets import digests, taken_once
from suite.datasets.digests import digest

READ_IT = """
import sys
from pathlib import Path
from suite.core import machine_folders
from suite.datasets import digests

def take(files):
    with Path(sys.argv[2], "taken").open("a") as log:
        log.write("x")
    return whole(files)

whole, digests._digest, digests.MANY_FILES = digests._digest, take, 3
machine_folders.HOMES = (Path(sys.argv[2]),)
print(digests.digest(Path(sys.argv[1])))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of all users of a machine."""
    folder = tmp_path / "machine"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr("suite.core.machine_folders.HOMES", (folder,))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set of five files, where three are many and only names and sizes of images count."""
    for name, content in (("train/n1/a.JPEG", "a"), ("train/n1/b.JPEG", "b"), ("val/n1/c.JPEG", "c"), ("t.txt", "t")):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text(content)
    return tmp_path / "set"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digests that were taken, not read."""
    digests_taken: list[str] = []
    take = digests._digest

    def note(files: dict[str, Path]) -> str:
        digests_taken.append(take(files))
        return digests_taken[-1]

    monkeypatch.setattr(digests, "_digest", note)
    monkeypatch.setattr(digests, "MANY_FILES", 3)
    monkeypatch.setattr(digests, "CONTENT_LIMIT", 0)
    return digests_taken


def test_processes_that_ask_at_once_take_it_once(home: Path, root: Path) -> None:
    command = [sys.executable, "-c", READ_IT, str(root), str(home)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in processes}
    assert answers == {f"{digest(root)}\n"}
    assert (home / "taken").read_text() == "x"


def test_it_is_taken_anew_wherever_something_is_seen_to_have_changed(
    home: Path, root: Path, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert digest(root) == digest(root) == taken[0]
    assert len(taken) == 1
    (root / "train/n1/b.JPEG").rename(root / "train/n1/d.JPEG")  # another name
    digest(root)
    assert len(set(taken)) == 2
    (root / "t.txt").write_text("u")  # an index file
    digest(root)
    assert len(set(taken)) == 3
    (root / "new").write_text("longer")
    (root / "new").rename(root / "val/n1/c.JPEG")  # an image in another's place
    digest(root)
    assert len(set(taken)) == 4
    a_day_later = time.time() + taken_once.HOLDS_S + 1
    monkeypatch.setattr(time, "time", lambda: a_day_later)
    assert digest(root) == taken[-1]
    assert len(taken) == 5


def test_a_small_set_is_looked_at_each_time_and_nothing_noted(home: Path, root: Path, taken: list[str]) -> None:
    digests.MANY_FILES = 5
    assert digest(root) == digest(root)
    assert (len(taken), list(home.iterdir())) == (2, [])


@pytest.mark.parametrize("content", ["", "0" * 63, "not a digest", "g" * 64])
def test_a_damaged_note_is_not_believed(home: Path, root: Path, taken: list[str], content: str) -> None:
    digest(root)
    (note,) = (path for path in (home / f"part-aware-repro-digests-{os.getuid()}").glob("[!.]*"))
    note.write_text(content)
    assert digest(root) == taken[0]
    assert (len(taken), note.read_text()) == (2, taken[0])


def test_a_folder_that_others_may_write_to_is_not_believed(home: Path, root: Path, taken: list[str]) -> None:
    folder = for_this_user("part-aware-repro-digests")
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert digest(root) == digest(root)
    assert (len(taken), list(folder.iterdir())) == (2, [])
    folder.rmdir()
    folder.symlink_to(root)
    digest(root)
    assert len(taken) == 3


def test_an_error_is_passed_on_and_nothing_noted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ValueError("a file is missing")

    with pytest.raises(ValueError, match="a file is missing"):
        taken_once.taken_once("k", fail)
    assert taken_once.taken_once("k", lambda: "0" * 64) == "0" * 64
