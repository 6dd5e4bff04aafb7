"""One rule of what a data folder holds: nothing of a file manager's, nothing lost, and no list cut short."""

import os
import shutil
from pathlib import Path

import pytest

from suite.core.listing import RESTORE, entries, files_under, matching, walk
from suite.errors import DatasetError

FOREIGN = (
    *(".ipynb_checkpoints", ".DS_Store", "._a.jpg", ".Trash-1000", ".git", ".nfs0001"),
    *("@eaDir", "#recycle", "@Recycle", "@Recently-Snapshot", "@tmp", "#snapshot"),
    *("Thumbs.db", "thumbs.DB", "desktop.ini", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", "__pycache__", "Icon\r"),
)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in files_under(folder))


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        files_under(folder)
    return str(caught.value)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """a.jpg, sub/b.JPG, sub/deep/c.txt."""
    for name in ("a.jpg", "sub/b.JPG", "sub/deep/c.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    return tmp_path / "data"


@pytest.mark.parametrize("name", FOREIGN)
def test_what_systems_leave_behind_is_no_data_as_file_or_as_folder(data: Path, name: str) -> None:
    for parent in (data, data / "sub"):
        (parent / name).mkdir()
        (parent / name / "x.jpg").touch()
    assert names(data) == ["a.jpg", "sub/b.JPG", "sub/deep/c.txt"]
    assert entries(data) == (["sub"], ["a.jpg"])
    for parent in (data, data / "sub"):
        shutil.rmtree(parent / name)
        (parent / name).touch()
    assert names(data) == ["a.jpg", "sub/b.JPG", "sub/deep/c.txt"]


def test_names_that_only_look_like_them_are_data(data: Path) -> None:
    for name in ("thumbs.db.jpg", "eaDir", "lost found", "MACOSX", "#1.jpg", "@home.jpg"):
        (data / name).touch()
    assert len(names(data)) == 3 + 6


def test_links_are_followed_to_files_and_folders_wherever_they_lead(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "d.jpg").touch()
    (data / "linked").symlink_to(outside)
    (data / "e.jpg").symlink_to(outside / "d.jpg")
    (data / "twice").symlink_to(data / "sub")  # no circle: it does not lead above itself
    assert names(data) == [
        "a.jpg",
        "e.jpg",
        "linked/d.jpg",
        "sub/b.JPG",
        "sub/deep/c.txt",
        "twice/b.JPG",
        "twice/deep/c.txt",
    ]
    (tmp_path / "door").symlink_to(data)
    assert names(tmp_path / "door") == names(data)


@pytest.mark.parametrize(("link", "target"), [("sub/deep/up", ".."), ("self", "."), ("sub/top", "../../data")])
def test_a_link_in_a_circle_is_refused(data: Path, link: str, target: str) -> None:
    (data / link).symlink_to(target)
    assert refusal(data) == f"{data / link}: expected a link to data, got one to a folder that it lies in: remove it"


def test_two_links_that_lead_into_each_other_s_folders_are_refused(data: Path) -> None:
    (data / "one").mkdir()
    (data / "one/to_two").symlink_to("../two")
    (data / "two").mkdir()
    (data / "two/to_one").symlink_to("../one")
    place = data / "one/to_two/to_one"
    assert refusal(data) == f"{place}: expected a link to data, got one to a folder that it lies in: remove it"


def test_links_that_lead_nowhere_or_to_themselves_are_refused_unless_hidden(data: Path) -> None:
    (data / ".hidden").symlink_to("nowhere")
    assert len(names(data)) == 3
    (data / "sub/gone").symlink_to("nowhere")
    assert refusal(data) == f"{data}/sub/gone: cannot be read (No such file or directory): {RESTORE}"
    (data / "sub/gone").unlink()
    (data / "sub/loop").symlink_to("loop")
    assert refusal(data) == f"{data}/sub/loop: cannot be read (Too many levels of symbolic links): {RESTORE}"


def test_pipes_and_devices_are_refused(data: Path) -> None:
    os.mkfifo(data / "sub/p.jpg")
    assert refusal(data) == f"{data}/sub/p.jpg: expected a file or a folder, got a pipe or a device: remove it"
    (data / "sub/p.jpg").unlink()
    (data / "zero.jpg").symlink_to("/dev/zero")
    assert refusal(data) == f"{data}/zero.jpg: expected a file or a folder, got a pipe or a device: remove it"


def test_a_folder_that_may_not_be_listed_is_named_with_what_to_do(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may list any folder, so the system's refusal is put on."""
    scan = os.scandir

    def refuse(folder: Path):
        if Path(folder).name == "deep":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(data) == f"{data}/sub/deep: cannot be listed (Permission denied): let this user read it"


def test_a_folder_that_is_missing_or_a_file_is_named(data: Path) -> None:
    assert refusal(data / "none") == f"{data}/none: cannot be listed (No such file or directory): {RESTORE}"
    assert refusal(data / "a.jpg") == f"{data}/a.jpg: cannot be listed (Not a directory): {RESTORE}"


def test_names_that_are_no_utf_8_are_listed(data: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (data / name).touch()
    assert names(data) == ["a.jpg", name, "sub/b.JPG", "sub/deep/c.txt"]


def test_folders_taken_off_a_walk_are_not_entered(data: Path) -> None:
    places = []
    for parent, folders, files in walk(data):
        places.append((parent.relative_to(data).as_posix(), list(folders), files))
        folders[:] = [name for name in folders if name != "deep"]
    assert places == [(".", ["sub"], ["a.jpg"]), ("sub", ["deep"], ["b.JPG"])]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("*", ["a.jpg", "sub"]),
        ("sub/*", ["sub/b.JPG", "sub/deep"]),
        ("*/*/*.txt", ["sub/deep/c.txt"]),
        ("**/*.JPG", ["sub/b.JPG"]),
        ("**/deep/*", ["sub/deep/c.txt"]),
        ("a.jpg", ["a.jpg"]),
        ("a.jpg/*", []),
        ("[!a]*", ["sub"]),
    ],
)
def test_patterns_match_as_pathlib_s_do_but_by_the_rule(data: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(path.relative_to(data).as_posix() for path in data.glob(pattern)) == expected
    for hidden in ("._a.jpg", "sub/.b.JPG", "sub/deep/Thumbs.db", "@eaDir/a.jpg"):
        (data / hidden).parent.mkdir(exist_ok=True)
        (data / hidden).touch()
    assert sorted(path.relative_to(data).as_posix() for path in matching(data, pattern)) == expected
